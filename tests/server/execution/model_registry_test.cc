#include "server/execution/model_registry.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "favor/tokenizer/character_tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/execution/warm_up.h"
#include "tests/support/fake_model.h"

namespace favor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Loaded = absl::StatusOr<std::shared_ptr<const Model>>;

absl::StatusOr<NamedModel> LoadAndWait(ModelRegistry* registry, const std::string& name, const std::string& folder) {
  absl::StatusOr<NamedModel> result;
  absl::Notification done;
  registry->Load(name, folder, [&](absl::StatusOr<NamedModel> loaded) {
    result = std::move(loaded);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

Loaded LoadFake(const std::string& folder) {
  if (folder == "/missing") return absl::NotFoundError("/missing/config.json does not exist");
  auto model = testing::FakeModel();
  model->path = folder;
  return model;
}

std::vector<std::string> Names(const ModelRegistry& registry) {
  std::vector<std::string> names;
  for (const NamedModel& model : registry.List()) names.push_back(model.name);
  return names;
}

TEST(ModelRegistry, FindsByNameAndTheOnlyOneWithout) {
  ModelRegistry registry(LoadFake);
  ASSERT_TRUE(LoadAndWait(&registry, "b", "/b").ok());
  EXPECT_EQ(registry.Find("")->name, "b");
  EXPECT_EQ(registry.Find("b")->model->path, "/b");
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/a").ok());
  EXPECT_THAT(Names(registry), ElementsAre("a", "b"));
  EXPECT_EQ(registry.Find("a")->folder, "/a");
}

TEST(ModelRegistry, NamesTheModelsThereAreWhenThereIsNoSuchOne) {
  ModelRegistry registry(LoadFake);
  EXPECT_EQ(registry.Find("").status(), absl::NotFoundError("no model is loaded"));
  ASSERT_TRUE(LoadAndWait(&registry, "b", "/b").ok());
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/a").ok());
  EXPECT_TRUE(absl::IsNotFound(registry.Find("").status()));
  const absl::Status status = registry.Find("c").status();
  EXPECT_EQ(status, absl::NotFoundError("model is 'c', which is not loaded; there are: a, b"));
  EXPECT_TRUE(absl::IsNotFound(registry.Unload("c")));
}

TEST(ModelRegistry, ReplacesAModelWhileCallsGoOnWithTheOldOne) {
  ModelRegistry registry(LoadFake);
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/one").ok());
  const std::shared_ptr<const Model> old = registry.Find("a")->model;
  ASSERT_TRUE(LoadAndWait(&registry, "a", "").ok());
  EXPECT_NE(registry.Find("a")->model, old);
  EXPECT_EQ(registry.Find("a")->folder, "/one");
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/two").ok());
  EXPECT_EQ(registry.Find("a")->model->path, "/two");
  EXPECT_TRUE(WarmUp(old).ok());
}

TEST(ModelRegistry, KeepsTheOldModelWhenLoadingFails) {
  ModelRegistry registry(LoadFake);
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/one").ok());
  const absl::Status status = LoadAndWait(&registry, "a", "/missing").status();
  EXPECT_EQ(status, absl::NotFoundError("model a: /missing/config.json does not exist"));
  EXPECT_EQ(registry.Find("a")->folder, "/one");
}

TEST(ModelRegistry, DoesNotServeAModelThatCannotEmbed) {
  ModelRegistry registry([](const std::string&) -> Loaded {
    testing::FakeEncoderOptions options;
    options.on_run = [](int64_t) { return absl::InternalError("broken"); };
    return testing::FakeModel(options);
  });
  EXPECT_EQ(LoadAndWait(&registry, "a", "/a").status(), absl::InternalError("model a: broken"));
  EXPECT_THAT(Names(registry), ElementsAre());
}

// A fake model takes 49,380 bytes.
TEST(ModelRegistry, LoadsNoMoreThanTheMemoryBudgetHolds) {
  Admission admission({.memory_budget_bytes = 120'000, .max_calls = 10});
  ModelRegistry registry(LoadFake, nullptr, &admission);
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/a").ok());
  ASSERT_TRUE(LoadAndWait(&registry, "b", "/b").ok());
  EXPECT_EQ(admission.stats().model_bytes, 2 * 49'380);
  EXPECT_EQ(
      LoadAndWait(&registry, "c", "/c").status(),
      absl::ResourceExhaustedError("model c: its weights take 49380 bytes of memory, 21240 of the 120000 bytes of "
                                   "the memory budget (memory-budget) are free"));
  EXPECT_THAT(Names(registry), ElementsAre("a", "b"));
  EXPECT_EQ(admission.stats().refused_for_memory, 0) << "calls alone are counted";

  EXPECT_TRUE(admission.Admit(21'240, "the request").ok());
  EXPECT_THAT(admission.Admit(21'241, "the request").status().message(), HasSubstr("models hold 98760"));

  ASSERT_TRUE(registry.Unload("a").ok());
  EXPECT_TRUE(LoadAndWait(&registry, "c", "/c").ok());
  ModelRegistry other(LoadFake, nullptr, &admission);
  EXPECT_FALSE(LoadAndWait(&other, "d", "/d").ok());
}

TEST(ModelRegistry, AReplacedModelHoldsItsMemoryUntilItsLastCallIsOver) {
  Admission admission({.memory_budget_bytes = 120'000, .max_calls = 10});
  ModelRegistry registry(LoadFake, nullptr, &admission);
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/a").ok());
  std::shared_ptr<const Model> call = registry.Find("a")->model;
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/b").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(LoadAndWait(&registry, "a", "/c").status()));
  EXPECT_EQ(admission.stats().model_bytes, 2 * 49'380);
  call.reset();
  EXPECT_EQ(admission.stats().model_bytes, 49'380);
  EXPECT_TRUE(LoadAndWait(&registry, "a", "/c").ok());
}

TEST(ModelRegistry, DoesNotReadAFileThatIsLargerThanTheMemoryBudget) {
  const std::string folder = ::testing::TempDir() + "/large_weights";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/model.safetensors") << std::string(2000, ' ');
  Admission admission({.memory_budget_bytes = 1000, .max_calls = 10});
  bool loads = false;
  const auto load = [&](const std::string&) -> Loaded {
    loads = true;
    return absl::InternalError("read");
  };
  ModelRegistry registry(load, nullptr, &admission);
  EXPECT_EQ(LoadAndWait(&registry, "a", folder).status(),
            absl::InvalidArgumentError("model a: its weights take 2000 bytes of memory, 1000 of the 1000 bytes of the "
                                       "memory budget (memory-budget) are free"));
  EXPECT_FALSE(loads);
  EXPECT_EQ(admission.stats().model_bytes, 0);

  std::filesystem::rename(folder + "/model.safetensors", folder + "/a.safetensors");
  std::ofstream(folder + "/b.safetensors") << std::string(500, ' ');
  std::ofstream(folder + "/model.safetensors.index.json")
      << R"({"weight_map": {"x": "a.safetensors", "y": "a.safetensors", "z": "b.safetensors"}})";
  EXPECT_THAT(LoadAndWait(&registry, "a", folder).status().message(), HasSubstr("its weights take 2500 bytes"));
}

TEST(ModelRegistry, ForgetsAModel) {
  ModelRegistry registry(LoadFake);
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/a").ok());
  const std::weak_ptr<const Model> model = registry.Find("a")->model;
  ASSERT_TRUE(LoadAndWait(&registry, "b", "/b").ok());  // so what the loading thread held of the first is gone
  EXPECT_TRUE(registry.Unload("a").ok());
  EXPECT_TRUE(model.expired());
  EXPECT_TRUE(absl::IsNotFound(registry.Find("a").status()));
}

TEST(ModelRegistry, NeedsAFolderForANewName) {
  ModelRegistry registry(LoadFake);
  EXPECT_TRUE(absl::IsNotFound(LoadAndWait(&registry, "a", "").status()));
}

TEST(ModelRegistry, LoadsWithoutKeepingItsCallersWaiting) {
  absl::Notification loading, go_on;
  ModelRegistry registry([&](const std::string& folder) {
    loading.Notify();
    go_on.WaitForNotification();
    return LoadFake(folder);
  });
  absl::Notification done;
  registry.Load("a", "/a", [&](absl::StatusOr<NamedModel>) { done.Notify(); });
  loading.WaitForNotification();
  EXPECT_TRUE(absl::IsNotFound(registry.Find("a").status()));
  go_on.Notify();
  done.WaitForNotification();
  EXPECT_TRUE(registry.Find("a").ok());
}

TEST(ModelRegistry, BeginsNoLoadOnceItStops) {
  absl::Notification loading, go_on;
  std::atomic<int> num_loads = 0;
  absl::Status first, second;
  {
    ModelRegistry registry([&](const std::string& folder) {
      ++num_loads;
      loading.Notify();
      go_on.WaitForNotification();
      return LoadFake(folder);
    });
    registry.Load("a", "/a", [&](const absl::StatusOr<NamedModel>& model) { first = model.status(); });
    registry.Load("b", "/b", [&](const absl::StatusOr<NamedModel>& model) { second = model.status(); });
    loading.WaitForNotification();
    registry.Stop();
    go_on.Notify();
  }
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(absl::IsCancelled(second)) << second;
  EXPECT_EQ(num_loads, 1);
}

// What is observed is counted and logged as a load that failed, which wakes somebody.
TEST(ModelRegistry, TellsOfLoadsThatWereTriedAlone) {
  std::vector<std::string> told;
  ModelRegistry registry(LoadFake, [&](const absl::StatusOr<NamedModel>& model) {
    told.push_back(model.ok() ? model->name : std::string(model.status().message()));
  });
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/a").ok());
  EXPECT_TRUE(absl::IsNotFound(LoadAndWait(&registry, "mistyped", "").status()));
  EXPECT_TRUE(absl::IsNotFound(LoadAndWait(&registry, "b", "/missing").status()));
  registry.Stop();
  EXPECT_TRUE(absl::IsCancelled(LoadAndWait(&registry, "c", "/c").status()));
  EXPECT_THAT(told, ElementsAre("a", "model b: /missing/config.json does not exist"));
}

TEST(ModelRegistry, EndsLoadsThatWaitAtOnceWhenItStops) {
  absl::Notification loading, go_on;
  ModelRegistry registry([&](const std::string& folder) {
    loading.Notify();
    go_on.WaitForNotification();
    return LoadFake(folder);
  });
  registry.Load("a", "/a", [](const absl::StatusOr<NamedModel>&) {});
  loading.WaitForNotification();
  absl::Status waiting, late;
  registry.Load("b", "/b", [&](const absl::StatusOr<NamedModel>& model) { waiting = model.status(); });
  registry.Stop();
  registry.Load("c", "/c", [&](const absl::StatusOr<NamedModel>& model) { late = model.status(); });
  EXPECT_EQ(waiting, absl::CancelledError("model b: the server stops"));
  EXPECT_EQ(late, absl::CancelledError("model c: the server stops"));
  go_on.Notify();
}

TEST(ModelRegistry, IsUnavailableUntilTheModelsThatAreToComeAreThere) {
  ModelRegistry registry(LoadFake);
  registry.Expect({"a", "b"});
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/a").ok());
  EXPECT_TRUE(registry.Find("a").ok());
  for (const char* name : {"", "b"}) EXPECT_TRUE(absl::IsUnavailable(registry.Find(name).status())) << name;
  EXPECT_TRUE(absl::IsNotFound(registry.Find("c").status()));
  ASSERT_TRUE(LoadAndWait(&registry, "b", "/b").ok());
  EXPECT_TRUE(registry.Find("b").ok());
  ASSERT_TRUE(registry.Unload("b").ok());
  EXPECT_TRUE(absl::IsNotFound(registry.Find("b").status()));
}

// A load of each model under way or waiting, then a change to it, then its reload.
TEST(ModelRegistry, ReloadsDoNotUndoWhatCameBeforeThem) {
  for (const bool unload_while_reloading : {false, true}) {
    std::atomic<bool> slow = false;
    absl::Notification loading, go_on;
    ModelRegistry registry([&](const std::string& folder) {
      if (slow.exchange(false)) {
        loading.Notify();
        go_on.WaitForNotification();
      }
      return LoadFake(folder);
    });
    for (const char* name : {"a", "b"}) ASSERT_TRUE(LoadAndWait(&registry, name, absl::StrCat("/", name)).ok());
    slow = true;
    if (!unload_while_reloading) {
      registry.Load("a", "/new", [](const absl::StatusOr<NamedModel>&) {});
      loading.WaitForNotification();
    }
    absl::Status statuses[2];
    int num_told = 0;
    absl::Notification done;
    registry.ReloadAll([&](const absl::StatusOr<NamedModel>& model) {
      statuses[num_told++] = model.status();
      if (num_told == 2) done.Notify();
    });
    if (unload_while_reloading) loading.WaitForNotification();  // "a"
    ASSERT_TRUE(registry.Unload(unload_while_reloading ? "a" : "b").ok());
    go_on.Notify();
    done.WaitForNotification();
    EXPECT_THAT(Names(registry), ElementsAre(unload_while_reloading ? "b" : "a"));
    EXPECT_TRUE(absl::IsNotFound(statuses[unload_while_reloading ? 0 : 1]));
    if (!unload_while_reloading) {
      EXPECT_EQ(registry.Find("a")->folder, "/new");
    }
  }
}

TEST(ModelRegistry, ReloadsAllAndTellsOfEach) {
  std::atomic<int> num_loads = 0, num_failed = 0;
  bool broken = false;
  ModelRegistry registry(
      [&](const std::string& folder) { return LoadFake(broken && folder == "/b" ? "/missing" : folder); },
      [&](const absl::StatusOr<NamedModel>& model) { ++(model.ok() ? num_loads : num_failed); });
  for (const char* name : {"a", "b"}) ASSERT_TRUE(LoadAndWait(&registry, name, absl::StrCat("/", name)).ok());
  broken = true;
  std::atomic<int> num_told = 0;
  absl::Notification done;
  registry.ReloadAll([&](const absl::StatusOr<NamedModel>&) {
    if (++num_told == 2) done.Notify();
  });
  done.WaitForNotification();
  EXPECT_EQ(num_loads, 3);
  EXPECT_EQ(num_failed, 1);
  EXPECT_THAT(Names(registry), ElementsAre("a", "b"));
}

TEST(ModelRegistry, IsAlwaysWholeForThoseWhoRead) {
  ModelRegistry registry(LoadFake);
  ASSERT_TRUE(LoadAndWait(&registry, "a", "/a").ok());
  std::atomic<bool> stop = false;
  std::atomic<int> num_missing = 0;
  std::thread reader([&] {
    while (!stop) num_missing += registry.Find("a").ok() && registry.List().size() == 1 ? 0 : 1;
  });
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(LoadAndWait(&registry, "a", "/a").ok());
  stop = true;
  reader.join();
  EXPECT_EQ(num_missing, 0);
}

TEST(WarmUp, FindsVectorsThatAreNotFinite) {
  class NotFinite : public testing::FakeEncoder {
   public:
    NotFinite() : FakeEncoder({}) {}
    absl::StatusOr<Job> Plan(const PackedSequences& sequences, const EncoderAttention*, const Cancellation*,
                             float* vectors) const override {
      Job job;
      job.phases.push_back({1, 1, [size = sequences.num_tokens() * dimensions(), vectors](int64_t, int64_t) {
                              std::fill_n(vectors, size, std::numeric_limits<float>::quiet_NaN());
                              return absl::OkStatus();
                            }});
      return job;
    }
  };
  auto model = testing::FakeModel();
  model->encoder = std::make_shared<NotFinite>();
  EXPECT_THAT(std::string(WarmUp(model).message()), HasSubstr("not finite"));
}

TEST(WarmUp, TakesAModelWhoseTokenizerKnowsNoSentence) {
  CharacterTokenizerOptions residues;
  ASSERT_TRUE(residues.vocabulary.Add("A", 0).ok());
  auto model = testing::FakeModel();
  model->tokenizer = std::make_shared<CharacterTokenizer>(std::move(residues));
  EXPECT_EQ(WarmUp(model), absl::OkStatus());
}

TEST(WarmUp, TakesAModelOfIdsAloneAndASmallWindow) {
  testing::FakeEncoderOptions options;
  options.max_tokens = 3;
  options.vocabulary_size = 5;
  auto model = testing::FakeModel(options);
  model->tokenizer = nullptr;
  EXPECT_TRUE(WarmUp(model).ok());
}

}  // namespace
}  // namespace favor
