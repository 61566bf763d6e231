#include "server/services/model_service.h"

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/convert/field_error.h"
#include "server/convert/model_conversion.h"
#include "server/rpc/protobuf_handler.h"

namespace favor {
namespace {

constexpr char kService[] = "favor.v1.ModelService";

absl::Status CheckAdmin(bool admin, const char* method) {
  if (admin) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("ModelService.", method, " is served only with the setting model-admin = true"));
}

v1::ListModelsResponse List(const ModelRegistry& models) {
  v1::ListModelsResponse response;
  for (const NamedModel& model : models.List()) *response.add_models() = ToModelInfo(model);
  return response;
}

void Load(ModelRegistry* models, const v1::LoadModelRequest& request,
          std::function<void(absl::StatusOr<v1::LoadModelResponse>)> reply) {
  if (request.name().empty()) return reply(FieldError("name", "name is empty, a model needs one"));
  models->Load(request.name(), request.path(), [reply = std::move(reply)](absl::StatusOr<NamedModel> model) {
    if (!model.ok()) return reply(model.status());
    v1::LoadModelResponse response;
    *response.mutable_model() = ToModelInfo(*model);
    reply(std::move(response));
  });
}

}  // namespace

ModelService::ModelService(ModelRegistry* models, bool admin, const CallObservers& observers) : service_(kService) {
  methods_.push_back({observers.ForMethod(kService, "ListModels", "unary"), service_.Add("ListModels"),
                      ProtobufHandler<v1::ListModelsRequest, v1::ListModelsResponse>(
                          [models](const v1::ListModelsRequest&) { return List(*models); })});
  methods_.push_back({observers.ForMethod(kService, "LoadModel", "unary"), service_.Add("LoadModel"),
                      AsyncProtobufHandler<v1::LoadModelRequest, v1::LoadModelResponse>(
                          [models, admin](const v1::LoadModelRequest& request, auto reply) {
                            const absl::Status allowed = CheckAdmin(admin, "LoadModel");
                            if (!allowed.ok()) return reply(allowed);
                            Load(models, request, std::move(reply));
                          })});
  methods_.push_back(
      {observers.ForMethod(kService, "UnloadModel", "unary"), service_.Add("UnloadModel"),
       ProtobufHandler<v1::UnloadModelRequest, v1::UnloadModelResponse>(
           [models, admin](const v1::UnloadModelRequest& request) -> absl::StatusOr<v1::UnloadModelResponse> {
             absl::Status status = CheckAdmin(admin, "UnloadModel");
             if (status.ok() && request.name().empty()) status = FieldError("name", "name is empty, a model has one");
             if (status.ok()) status = models->Unload(request.name());
             if (!status.ok()) return status;
             return v1::UnloadModelResponse();
           })});
}

RpcServer::Service ModelService::ForServer() {
  return {kService, &service_, [this](grpc::ServerCompletionQueue* queue) {
            for (const UnaryCall::Method& method : methods_) UnaryCall::ListenFor(&method, queue);
          }};
}

}  // namespace favor
