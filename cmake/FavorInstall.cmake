# What `cmake --install` lays down: the two programs, the libraries favor::core and favor::client, their headers below
# include/favord/, and the package `favord` for find_package. The client is a component of its own, so a program that
# wants only the library needs no gRPC.
include(CMakePackageConfigHelpers)
set(FAVOR_INCLUDE_DIR ${CMAKE_INSTALL_INCLUDEDIR}/favord)
set(FAVOR_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/favord)

install(TARGETS favor_core EXPORT favord-core INCLUDES DESTINATION ${FAVOR_INCLUDE_DIR})
# Not those that take Eigen, which only our own sources need.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/lib/favor DESTINATION ${FAVOR_INCLUDE_DIR} FILES_MATCHING
  PATTERN "*.h" PATTERN "*-inl.h" EXCLUDE
  REGEX "/(attention/(head_sample|value_form)|feature_map/inverse_transposed)\\.h$" EXCLUDE)
install(FILES ${PROJECT_BINARY_DIR}/lib/generated/favor/base/version.h DESTINATION ${FAVOR_INCLUDE_DIR}/favor/base)
install(EXPORT favord-core NAMESPACE favor:: DESTINATION ${FAVOR_PACKAGE_DIR})

if(FAVOR_BUILD_SERVICE)
  install(TARGETS favord favor_cli)
  install(TARGETS favor_client favor_proto EXPORT favord-client INCLUDES DESTINATION ${FAVOR_INCLUDE_DIR})
  set_target_properties(favor_client PROPERTIES EXPORT_NAME client)
  file(GLOB client_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/client/*.h)
  install(FILES ${client_headers} DESTINATION ${FAVOR_INCLUDE_DIR}/client)
  install(EXPORT favord-client NAMESPACE favor:: DESTINATION ${FAVOR_PACKAGE_DIR})
endif()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/favordConfig.cmake.in
  ${PROJECT_BINARY_DIR}/favordConfig.cmake INSTALL_DESTINATION ${FAVOR_PACKAGE_DIR}
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor release may change the C++ interface (CONTRIBUTING.md, "Compatibility").
write_basic_package_version_file(${PROJECT_BINARY_DIR}/favordConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/favordConfig.cmake ${PROJECT_BINARY_DIR}/favordConfigVersion.cmake
  DESTINATION ${FAVOR_PACKAGE_DIR})
