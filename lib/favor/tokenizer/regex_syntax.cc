#include "favor/tokenizer/regex_syntax.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "favor/tokenizer/regex_scanner.h"
#include "favor/tokenizer/regex_sets.h"

namespace favor {
namespace {

constexpr size_t kMaxBytes = 2048;  // of a pattern
constexpr int kMaxDepth = 32;       // of groups in groups
constexpr int kMaxRepeats = 1000;

// Nothing, with a place to come back to that is forgotten at once: what ICU counts as a step.
constexpr char kStep[] = "(?>(?:)?)";
constexpr int kAtomsPerStep = 16;

constexpr absl::string_view kAnyCharacter = "[\\x{0}-\\x{10ffff}]";
constexpr absl::string_view kNoLineFeed = "[^\\x{a}]";

struct Options {
  bool ignore_case = false;
  bool dot_all = false;  // (?m)
  bool one_way = false;  // in an atomic group, or looking around
};

// Something that may be repeated, unless it is an assertion.
struct Atom {
  std::string text;
  enum class Kind : uint8_t { kOther, kSet, kAssertion } kind = Kind::kOther;
  bool may_be_empty = false;
};

Atom Assertion(std::string text) { return {std::move(text), Atom::Kind::kAssertion, true}; }

class Translator {
 public:
  explicit Translator(absl::string_view pattern) : scanner_(pattern) {}

  absl::StatusOr<std::string> Run() {
    const Atom all = TakeAlternatives(Options(), 0);
    if (scanner_.Take(")")) scanner_.Fail("a \")\" without its group");
    if (!scanner_.status().ok()) return scanner_.status();
    return all.text;
  }

 private:
  // Up to the ")" of their group.
  Atom TakeAlternatives(Options options, int depth) {
    if (depth == kMaxDepth) scanner_.Fail(absl::StrCat("more than ", kMaxDepth, " groups in one another"));
    Atom all;
    bool may_be_empty = true;  // the alternative
    while (!scanner_.AtEnd() && !scanner_.IsNext(")")) {
      if (scanner_.Take("|")) {
        all.text += '|';
        all.may_be_empty |= may_be_empty;
        may_be_empty = true;
        letters_.clear();
        continue;
      }
      const Atom next = TakeStandingOptions(&options) ? Group("(?:", options, depth) : TakeRepeated(options, depth);
      all.text += next.text;
      if (++num_atoms_ % kAtomsPerStep == 0) all.text += kStep;
      may_be_empty &= next.may_be_empty;
    }
    all.may_be_empty |= may_be_empty;
    return all;
  }

  Atom Group(absl::string_view head, const Options& options, int depth) {
    const Atom inner = TakeAlternatives(options, depth + 1);
    return {absl::StrCat(head, inner.text, ")"), Atom::Kind::kOther, inner.may_be_empty};
  }

  // (?i) and its like, for what comes up to the end of the group around.
  bool TakeStandingOptions(Options* options) {
    const absl::string_view rest = scanner_.Rest();
    const size_t end = rest.find_first_not_of("im-", 2);
    if (!absl::StartsWith(rest, "(?") || end == 2 || end >= rest.size() || rest[end] != ')') return false;
    *options = WithOptions(*options, rest.substr(2, end - 2));
    scanner_.Skip(end + 1);
    return true;
  }

  static Options WithOptions(Options options, absl::string_view letters) {
    bool value = true;
    for (const char letter : letters) {
      if (letter == '-') value = false;
      if (letter == 'i') options.ignore_case = value;
      if (letter == 'm') options.dot_all = value;
    }
    return options;
  }

  Atom TakeAtom(const Options& options, int depth) {
    const size_t begin = scanner_.position();
    if (scanner_.Take("(?#")) {
      scanner_.TakeUntil(")");
      return Assertion("");
    }
    if (scanner_.Take("(")) return TakeGroup(begin, options, depth);
    if (scanner_.Take("[")) return Set(scanner_.TakeClass(options.ignore_case));
    if (scanner_.Take(".")) return Any(options.dot_all);
    if (scanner_.Take("^")) return Assertion("(?:\\A|(?<=\\x{a})(?!\\z))");
    if (scanner_.Take("$")) return Assertion("(?=\\x{a}|\\z)");
    if (!TakeTimes().empty()) scanner_.Fail("nothing to repeat");
    if (const std::optional<icu::UnicodeSet> set = scanner_.TakeClassEscape(/*in_class=*/false); set.has_value())
      return Set(*set);
    if (std::optional<Atom> atom = TakeNamedEscape(); atom.has_value()) return *std::move(atom);
    return TakeLiteral(begin, options);
  }

  Atom Set(const icu::UnicodeSet& set) {
    letters_.clear();
    return {SetPattern(set), Atom::Kind::kSet};
  }

  Atom Any(bool line_feed_too) {
    letters_.clear();
    return {std::string(line_feed_too ? kAnyCharacter : kNoLineFeed), Atom::Kind::kSet};
  }

  // Escapes that are neither a set nor a character.
  std::optional<Atom> TakeNamedEscape() {
    if (scanner_.Take("\\N")) return Any(false);
    if (scanner_.Take("\\O")) return Any(true);
    if (scanner_.Take("\\R")) return Atom{"(?>\\x{d}\\x{a}|[\\x{a}-\\x{d}\\x{85}\\x{2028}\\x{2029}])"};
    if (scanner_.Take("\\Z")) return Assertion("(?=\\x{a}?\\z)");
    for (const char* same : {"\\A", "\\z"}) {
      if (scanner_.Take(same)) return Assertion(same);
    }
    const bool is_boundary = scanner_.IsNext("\\b");
    if (!is_boundary && !scanner_.IsNext("\\B")) return std::nullopt;
    scanner_.Skip(2);
    const std::string word = SetPattern(WordSet());
    const absl::string_view before = is_boundary ? "!" : "=", behind = is_boundary ? "=" : "!";
    return Assertion(absl::StrCat("(?:(?<=", word, ")(?", before, word, ")|(?<!", word, ")(?", behind, word, "))"));
  }

  Atom TakeLiteral(size_t begin, const Options& options) {
    std::optional<char32_t> c = scanner_.TakeCharacterEscape();
    if (!c.has_value()) c = scanner_.TakeCharacter();
    if (!options.ignore_case) {
      letters_.clear();
      return {absl::StrCat("\\x{", absl::Hex(static_cast<uint32_t>(*c)), "}")};
    }
    if (*c >= 0x80) scanner_.NotImplemented(begin);
    letters_ += absl::ascii_tolower(static_cast<unsigned char>(*c));
    for (const char* pair : {"ff", "fi", "fl", "ss", "st"}) {
      if (absl::EndsWith(letters_, pair)) scanner_.NotImplemented(begin);
    }
    return {SetPattern(CaseSet(*c)), Atom::Kind::kSet};
  }

  // Behind "(".
  Atom TakeGroup(size_t begin, Options options, int depth) {
    std::string head = "(?:";
    bool looks = false;
    if (scanner_.Take("?<=") || scanner_.Take("?<!") || scanner_.Take("?=") || scanner_.Take("?!")) {
      head = std::string(scanner_.TakenSince(begin));
      looks = options.one_way = true;
    } else if (scanner_.Take("?>")) {
      head = "(?>";
      options.one_way = true;
    } else if (scanner_.IsNext("?") || scanner_.IsNext("*")) {
      TakeGroupOptions(begin, &options);
    }
    Atom group = Group(head, options, depth);
    if (!scanner_.Take(")")) scanner_.Fail("a group without its \")\"");
    return looks ? Assertion(std::move(group.text)) : group;
  }

  // A name, which nothing refers to, or options up to a colon.
  void TakeGroupOptions(size_t begin, Options* options) {
    const absl::string_view rest = scanner_.Rest();
    if (rest.size() > 2 && absl::StartsWith(rest, "?<") && (absl::ascii_isalpha(rest[2]) || rest[2] == '_')) {
      scanner_.TakeUntil(">");
      return;
    }
    const size_t end = std::min(rest.find_first_not_of("im-", 1), rest.size());
    scanner_.Skip(std::min(rest.size(), end + 1));
    if (end == rest.size() || rest[end] != ':' || rest[0] != '?') return scanner_.NotImplemented(begin);
    *options = WithOptions(*options, rest.substr(1, end - 1));
  }

  // An atom and how often it is there.
  Atom TakeRepeated(const Options& options, int depth) {
    const size_t begin = scanner_.position();
    Atom atom = TakeAtom(options, depth);
    const std::string times = TakeTimes();
    if (times.empty()) return atom;
    if (atom.kind == Atom::Kind::kAssertion) scanner_.Fail("nothing to repeat");
    // Where a loop ends that goes on with nothing, every engine has its own rules.
    if (atom.may_be_empty && times != "?") scanner_.NotImplemented(begin);
    std::string text = atom.text;
    if (atom.kind == Atom::Kind::kSet && options.one_way) text = absl::StrCat("(?:", text, ")");
    text += times;
    const bool is_interval = times.front() == '{', is_optional = times.front() == '?' || absl::StartsWith(times, "{0");
    bool may_be_empty = atom.may_be_empty || is_optional || times.front() == '*';
    if (is_interval && scanner_.Take("+")) {
      if (may_be_empty) scanner_.NotImplemented(begin);
      text = absl::StrCat("(?:", text, ")+");
    } else if (is_interval && !absl::StrContains(times, ",") && scanner_.Take("?")) {
      text = absl::StrCat("(?:", text, ")?");
      may_be_empty = true;
    } else if (scanner_.Take("?")) {
      text += '?';
    } else if (!is_interval && scanner_.Take("+")) {
      text += '+';
    }
    if (!TakeTimes().empty()) scanner_.NotImplemented(begin);
    return {std::move(text), Atom::Kind::kOther, may_be_empty};
  }

  // "*", "+", "?", "{n}", "{n,}" or "{n,m}"; empty where something else is next.
  std::string TakeTimes() {
    for (const char* times : {"*", "+", "?"}) {
      if (scanner_.Take(times)) return times;
    }
    const absl::string_view rest = scanner_.Rest();
    const size_t end = rest.find_first_not_of("0123456789,", 1);
    if (!absl::StartsWith(rest, "{") || end >= rest.size() || rest[end] != '}') return "";
    const std::pair<absl::string_view, absl::string_view> bounds =
        absl::StrSplit(rest.substr(1, end - 1), absl::MaxSplits(',', 1));
    const bool has_comma = rest.substr(0, end).find(',') != absl::string_view::npos;
    if ((bounds.first.empty() && bounds.second.empty()) || bounds.second.find(',') != absl::string_view::npos)
      return "";
    const size_t begin = scanner_.position();
    scanner_.Skip(end + 1);
    int least = 0, most = 0;
    const bool small = (bounds.first.empty() || (absl::SimpleAtoi(bounds.first, &least) && least <= kMaxRepeats)) &&
                       (bounds.second.empty() || (absl::SimpleAtoi(bounds.second, &most) && most <= kMaxRepeats));
    if (!small || (!bounds.second.empty() && most < least)) scanner_.NotImplemented(begin);
    if (!has_comma) return absl::StrCat("{", least, "}");
    return absl::StrCat("{", least, ",", bounds.second.empty() ? "" : absl::StrCat(most), "}");
  }

  RegexScanner scanner_;
  std::string letters_;  // one after the other under (?i)
  int num_atoms_ = 0;
};

}  // namespace

absl::StatusOr<std::string> TranslateRegex(absl::string_view pattern) {
  if (pattern.size() > kMaxBytes) {
    return absl::InvalidArgumentError(absl::StrCat("which has ", pattern.size(), " bytes, at most ", kMaxBytes));
  }
  return Translator(pattern).Run();
}

}  // namespace favor
