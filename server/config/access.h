#ifndef FAVOR_SERVER_CONFIG_ACCESS_H_
#define FAVOR_SERVER_CONFIG_ACCESS_H_

#include <cstdint>

namespace favor {

// Who may call a standard service: kKey means who may call favord's own, which is everybody where there are no keys.
enum class Access : uint8_t { kOpen, kKey, kOff };

struct StandardAccess {
  Access health = Access::kOpen;  // probes carry no key
  Access reflection = Access::kKey;
  Access channelz = Access::kKey;
};

}  // namespace favor

#endif  // FAVOR_SERVER_CONFIG_ACCESS_H_
