#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/rpc/byte_buffer_source.h"
#include "server/rpc/response_bytes.h"

namespace favor {
namespace {

TEST(ByteBufferSource, HandsOutEverySliceInOrderAndSkipsEmptyOnes) {
  const std::string one(100, '1');  // long enough not to be merged with its neighbours by gRPC
  const std::string two(200, '2');
  const std::vector<grpc::Slice> slices = {grpc::Slice(one), grpc::Slice(""), grpc::Slice(two), grpc::Slice("")};
  ByteBufferSource source(grpc::ByteBuffer(slices.data(), slices.size()));
  EXPECT_EQ(source.total_bytes(), 300);
  EXPECT_EQ(source.Next(), one);
  EXPECT_EQ(source.Next(), two);
  EXPECT_EQ(source.Next(), "");
  EXPECT_EQ(source.Next(), "");
}

TEST(ByteBufferSource, FreesASliceOnceTheNextIsAskedFor) {
  int num_freed = 0;
  char bytes[100] = "bytes";
  const auto count = [](void* freed) { ++*static_cast<int*>(freed); };
  std::vector<grpc::Slice> slices;
  for (int i = 0; i < 2; ++i) slices.emplace_back(bytes, sizeof(bytes), count, &num_freed);
  ByteBufferSource source(grpc::ByteBuffer(slices.data(), slices.size()));
  slices.clear();
  source.Next();
  EXPECT_EQ(num_freed, 0);
  source.Next();
  EXPECT_EQ(num_freed, 1);
  source.Next();
  EXPECT_EQ(num_freed, 2);
}

TEST(ResponseBytes, HoldsTheReservationOfTheDataUntilItIsSent) {
  Admission admission({.memory_budget_bytes = 1000, .max_calls = 1});
  Admission::Reservation reservation = *admission.Admit(900, "the request");
  AlignedBuffer<std::byte> data = *AlignedBuffer<std::byte>::AllocateZeroed(200);
  const void* address = data.data();
  {
    const grpc::ByteBuffer response = ResponseBytes("header", std::move(data), std::move(reservation));
    EXPECT_EQ(response.Length(), 206u);
    EXPECT_EQ(admission.stats().admitted_bytes, 200);
    std::vector<grpc::Slice> slices;
    ASSERT_TRUE(response.Dump(&slices).ok());
    EXPECT_EQ(slices[1].begin(), address);  // not copied
  }
  EXPECT_EQ(admission.stats().admitted_calls, 0);
}

TEST(ResponseBytes, HoldsTheReservationOfItsPartsUntilAllAreSent) {
  Admission admission({.memory_budget_bytes = 10'000, .max_calls = 1});
  Admission::Reservation reservation = *admission.Admit(9'000, "the request");
  std::vector<std::string> parts = {std::string(1000, '1'), std::string(), std::string(500, '2')};
  const void* address = parts[2].data();
  std::vector<grpc::Slice> slices;
  {
    const grpc::ByteBuffer response = ResponseBytes(std::move(parts), std::move(reservation));
    EXPECT_EQ(response.Length(), 1500u);
    EXPECT_EQ(admission.stats().admitted_bytes, 1500);
    ASSERT_TRUE(response.Dump(&slices).ok());
    EXPECT_EQ(slices.back().begin(), address);  // not copied
  }
  slices.erase(slices.begin());
  EXPECT_EQ(admission.stats().admitted_bytes, 1500);
  slices.clear();
  EXPECT_EQ(admission.stats().admitted_calls, 0);
}

}  // namespace
}  // namespace favor
