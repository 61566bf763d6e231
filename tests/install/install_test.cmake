# Run by ctest: cmake -D BUILD_DIR= -D WORK_DIR= -D PROJECT_DIR= -D VERSION= -D CXX_COMPILER= -D CXX_FLAGS= -P <this file>
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  list(JOIN ARGN " " command)
  message(STATUS "${command}\n${output}")
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed: ${command}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK_DIR})
set(prefix ${WORK_DIR}/prefix)
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})

# The installed programs run, and say the one version.
foreach(program favord favor)
  run(${prefix}/bin/${program} --version)
  if(NOT output MATCHES "${VERSION}")
    message(FATAL_ERROR "${program} --version does not say ${VERSION}: ${output}")
  endif()
endforeach()

# Everything installed is ours, below names of our own.
file(GLOB_RECURSE headers RELATIVE ${prefix}/include ${prefix}/include/*)
foreach(header IN LISTS headers)
  if(NOT header MATCHES "^favord/(favor|client)/" OR header MATCHES "-inl\\.h$")
    message(FATAL_ERROR "${header} has no place in include/")
  endif()
endforeach()

# Each of them finds what it includes by the package alone.
foreach(part favor client)
  set(includes "")
  foreach(header IN LISTS headers)
    string(REGEX REPLACE "^favord/" "" header ${header})
    if(header MATCHES "^${part}/")
      string(APPEND includes "#include \"${header}\"\n")
    endif()
  endforeach()
  file(WRITE ${WORK_DIR}/headers/${part}.cc "${includes}")
endforeach()

run(${CMAKE_COMMAND} -S ${PROJECT_DIR} -B ${WORK_DIR}/build -D CMAKE_PREFIX_PATH=${prefix}
  -D HEADERS_DIR=${WORK_DIR}/headers
  -D CMAKE_CXX_COMPILER=${CXX_COMPILER} -D CMAKE_CXX_FLAGS=${CXX_FLAGS} -D FAVORD_VERSION=${VERSION})
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${WORK_DIR}/build/uses_core)
run(${WORK_DIR}/build/uses_client)

# Whoever asks for the client where the library alone was installed is told so.
file(GLOB_RECURSE client_package ${prefix}/*/favord-client*.cmake)
file(REMOVE ${client_package})
execute_process(COMMAND ${CMAKE_COMMAND} -S ${PROJECT_DIR} -B ${WORK_DIR}/core_only -D CMAKE_PREFIX_PATH=${prefix}
  -D HEADERS_DIR=${WORK_DIR}/headers -D CMAKE_CXX_COMPILER=${CXX_COMPILER} -D FAVORD_VERSION=${VERSION}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
string(REGEX REPLACE "[ \n]+" " " output "${output}")
if(result EQUAL 0 OR NOT output MATCHES "has no component 'client'")
  message(FATAL_ERROR "find_package does not say that the client is missing: ${output}")
endif()
