#ifndef FAVOR_TESTS_SUPPORT_SANITIZER_H_
#define FAVOR_TESTS_SUPPORT_SANITIZER_H_

namespace favor::testing {

// Whether AddressSanitizer or ThreadSanitizer is in this program: they keep their own books of memory, reserve
// terabytes of addresses, and end the process instead of letting an allocation fail.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_SANITIZER_H_
