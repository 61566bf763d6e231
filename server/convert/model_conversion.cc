#include "server/convert/model_conversion.h"

#include "favor/model/embedder.h"

namespace favor {
namespace {

v1::Pooling ToWire(Pooling pooling) {
  switch (pooling) {
    case Pooling::kMean:
      return v1::POOLING_MEAN;
    case Pooling::kCls:
      return v1::POOLING_CLS;
    case Pooling::kLast:
      return v1::POOLING_LAST;
    case Pooling::kMax:
      return v1::POOLING_MAX;
    case Pooling::kNone:
      return v1::POOLING_NONE;
    case Pooling::kWeightedMean:
      return v1::POOLING_WEIGHTED_MEAN;
    case Pooling::kMeanSqrtLen:
      return v1::POOLING_MEAN_SQRT_LEN;
  }
  return v1::POOLING_UNSPECIFIED;
}

}  // namespace

v1::ModelInfo ToModelInfo(const NamedModel& named) {
  const Model& model = *named.model;
  v1::ModelInfo info;
  info.set_name(named.name);
  info.set_path(named.folder);
  info.set_model_id(model.id);
  info.set_architecture(model.architecture);
  info.set_dimensions(EmbedDimensions(model, {model.pooling, model.normalizes, 0}));
  info.set_max_tokens(model.max_tokens);
  info.set_vocabulary_size(model.encoder->vocabulary_size());
  info.set_has_tokenizer(model.tokenizer != nullptr);
  for (const Pooling pooling : model.pooling) info.add_poolings(ToWire(pooling));
  if (info.poolings_size() == 1) info.set_pooling(info.poolings(0));
  info.set_normalizes(model.normalizes);
  for (const auto& [name, prompt] : model.prompts) (*info.mutable_prompts())[name] = prompt;
  info.set_default_prompt(model.default_prompt);
  info.set_num_parameters(model.num_parameters());
  info.set_memory_bytes(model.memory_bytes());
  return info;
}

}  // namespace favor
