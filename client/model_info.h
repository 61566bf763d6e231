#ifndef FAVOR_CLIENT_MODEL_INFO_H_
#define FAVOR_CLIENT_MODEL_INFO_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/embed.h"

namespace favor::client {

// A model of a server.
struct ModelInfo {
  std::string name = "";          // that requests give
  std::string path = "";          // folder on the server's disk
  std::string model_id = "";      // the same for the same weights
  std::string architecture = "";  // "bert", "performer-pytorch", ...
  int64_t dimensions = 0;         // of an embedding
  int64_t max_tokens = 0;         // of an input, special ones included; 0: any number
  int64_t vocabulary_size = 0;
  bool has_tokenizer = false;               // takes text; else token ids alone
  Pooling pooling = Pooling::kUnspecified;  // its own; kUnspecified where it has several
  std::vector<Pooling> poolings = {};       // whose vectors stand one behind the other; of most models one
  bool normalizes = false;                  // its vectors have length 1
  std::map<std::string, std::string> prompts = {};
  std::string default_prompt = "";  // name of the one used when a request asks for none; empty: none
  int64_t num_parameters = 0;
  int64_t memory_bytes = 0;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_MODEL_INFO_H_
