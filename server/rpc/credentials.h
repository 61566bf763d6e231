#ifndef FAVOR_SERVER_RPC_CREDENTIALS_H_
#define FAVOR_SERVER_RPC_CREDENTIALS_H_

#include <memory>

#include "grpcpp/security/server_credentials.h"
#include "server/rpc/doorkeeper.h"
#include "server/security/certificates.h"

namespace favor {

// Credentials of one address: what gRPC shows to those who connect there and what it asks of their calls. TLS with the
// certificates that are in force when a connection is made, and asking for a client's where they name who may have
// signed it; plaintext when `certificates` is null. `doorkeeper`, which may be null, is asked about every call before
// its messages are read. Neither is owned, both must outlive the server.
std::shared_ptr<grpc::ServerCredentials> MakeCredentials(const CertificateStore* certificates, Doorkeeper* doorkeeper);

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_CREDENTIALS_H_
