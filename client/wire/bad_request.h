#ifndef FAVOR_CLIENT_WIRE_BAD_REQUEST_H_
#define FAVOR_CLIENT_WIRE_BAD_REQUEST_H_

// Type and field numbers of google.rpc.BadRequest and its FieldViolation, whose generated code the client avoids.
namespace favor::client::bad_request {

inline constexpr char kType[] = "type.googleapis.com/google.rpc.BadRequest";
inline constexpr int kFieldViolationsField = 1;
inline constexpr int kFieldField = 1;
inline constexpr int kDescriptionField = 2;

}  // namespace favor::client::bad_request

#endif  // FAVOR_CLIENT_WIRE_BAD_REQUEST_H_
