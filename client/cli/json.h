#ifndef FAVOR_CLIENT_CLI_JSON_H_
#define FAVOR_CLIENT_CLI_JSON_H_

#include <string>

#include "nlohmann/json.hpp"

namespace favor::cli {

// Keeps the order in which keys were added.
using Json = nlohmann::ordered_json;

// Text for people and programs alike. Bytes that are not UTF-8, as an error from the network may hold, are replaced
// instead of thrown about.
inline std::string ToText(const Json& json, int indent = 2) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_JSON_H_
