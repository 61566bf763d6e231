# Compiles the library for arm64 on an x86 machine with Debian's g++-aarch64-linux-gnu. Its dependencies are seen through
# their headers alone, which are the same on every CPU: enough to compile favor_core, a static library, and not to link
# a program. A native arm64 build needs none of this.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

# The host's /usr/include also holds the host's C library, so only these headers are let in.
set(headers ${CMAKE_BINARY_DIR}/host_headers)
file(MAKE_DIRECTORY ${headers})
foreach(name absl hwy nlohmann unicode xxhash.h)
  if(NOT EXISTS ${headers}/${name})
    file(CREATE_LINK /usr/include/${name} ${headers}/${name} SYMBOLIC)
  endif()
endforeach()
set(CMAKE_CXX_FLAGS_INIT "-isystem ${headers}")
set(CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES /usr/include)

# CMake packages and pkg-config files of the host, for their targets.
set(CMAKE_LIBRARY_ARCHITECTURE x86_64-linux-gnu)
