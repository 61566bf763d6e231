#include "favor/format/file_io.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>

#include "favor/format/replace_file.h"

namespace favor {
namespace {

using testing::HasSubstr;

std::string TempPath(const std::string& name) { return testing::TempDir() + "/favor_file_io_" + name; }

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
std::string Text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsWhatWasWritten) {
  const std::string path = TempPath("written");
  const std::string first = "one", second(100000, 'x');
  ASSERT_TRUE(WriteFile(path, {Bytes(first), {}, Bytes(second)}).ok());
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(Text(*file), first + second);
  const MappedFile moved = *std::move(file);
  EXPECT_EQ(Text(moved), first + second);

  ASSERT_TRUE(WriteFile(path, {Bytes(first)}).ok());
  EXPECT_EQ(Text(*MappedFile::Open(path)), first) << "a shorter file replaces a longer one whole";
}

TEST(MappedFile, AssigningOverOneReleasesIt) {
  const std::string path = TempPath("assigned");
  const std::string a = "a", b = "b";
  ASSERT_TRUE(WriteFile(path, {Bytes(a)}).ok());
  MappedFile first = *MappedFile::Open(path);
  ASSERT_TRUE(WriteFile(TempPath("other"), {Bytes(b)}).ok());
  first = *MappedFile::Open(TempPath("other"));
  EXPECT_EQ(Text(first), "b");
}

TEST(MappedFile, OfAnEmptyFileIsEmpty) {
  const std::string path = TempPath("empty");
  ASSERT_TRUE(WriteFile(path, {}).ok());
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, NamesThePathThatCannotBeMapped) {
  const absl::Status missing = MappedFile::Open(TempPath("missing")).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr(TempPath("missing")));
  EXPECT_EQ(MappedFile::Open(testing::TempDir()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(MappedFile, DoesNotWaitForAPipe) {
  const std::string path = TempPath("pipe");
  std::remove(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::Open(path).status(), absl::InvalidArgumentError(path + " is not a regular file"));
}

TEST(WriteFile, ReportsAPathThatCannotBeWritten) {
  const std::string text = "x", path = TempPath("no/such/folder");
  const absl::Status status = WriteFile(path, {Bytes(text)});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST(WriteFile, ReportsAFullDisk) {
  const std::string text(100000, 'x');
  EXPECT_EQ(WriteFile("/dev/full", {Bytes(text)}).code(), absl::StatusCode::kResourceExhausted);
}

TEST(ReplaceFile, KeepsLinksAndPermissions) {
  const std::string path = TempPath("linked"), link = TempPath("link"), old = "old";
  ASSERT_TRUE(WriteFile(path, {Bytes(old)}).ok());
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  unlink(link.c_str());
  ASSERT_EQ(symlink(path.c_str(), link.c_str()), 0);
  ASSERT_TRUE(ReplaceFile(link, "new").ok());
  EXPECT_EQ(Text(*MappedFile::Open(path)), "new");
  struct stat status;
  ASSERT_EQ(lstat(link.c_str(), &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600);
}

TEST(ReplaceFile, WritesToAPipeAndDoesNotReplaceIt) {
  const std::string path = TempPath("pipe");
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::string got(3, ' ');
  std::thread reader([&] {
    const int file = open(path.c_str(), O_RDONLY);
    EXPECT_EQ(read(file, got.data(), got.size()), 3);
    close(file);
  });
  EXPECT_TRUE(ReplaceFile(path, "new").ok());
  reader.join();
  EXPECT_EQ(got, "new");
  struct stat status;
  ASSERT_EQ(lstat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
}

TEST(ReplaceFile, ShowsTheOldFileUntilTheNewOneIsWhole) {
  const std::string path = TempPath("replaced"), old_text = "old", new_text = "new";
  ASSERT_TRUE(WriteFile(path, {Bytes(old_text)}).ok());
  const MappedFile mapped = *MappedFile::Open(path);
  std::string temporary;
  const auto write = [&](const absl::Status& result) {
    return ReplaceFile(path, [&](const std::string& name) {
      temporary = name;
      EXPECT_TRUE(WriteFile(name, {Bytes(new_text)}).ok());
      EXPECT_EQ(Text(*MappedFile::Open(path)), old_text);
      return result;
    });
  };
  EXPECT_EQ(write(absl::ResourceExhaustedError("full")), absl::ResourceExhaustedError("full"));
  EXPECT_EQ(Text(*MappedFile::Open(path)), old_text);
  EXPECT_TRUE(write(absl::OkStatus()).ok());
  EXPECT_EQ(Text(*MappedFile::Open(path)), new_text);
  EXPECT_EQ(Text(mapped), old_text);
  EXPECT_FALSE(EntryExists(temporary));
}

}  // namespace
}  // namespace favor
