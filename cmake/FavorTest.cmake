# favor_test(NAME <name> SOURCES <files> LIBRARIES <targets> [LABELS <labels>] [TIMEOUT <seconds>] [NEEDS_BINARIES])
#
# One GoogleTest executable; ctest lists each of its cases by itself, asking the executable just before a run, so a build
# never has to run what it built. LABELS default to `fast`; give `long` instead for what takes more than a few seconds.
# Tests of lib and of server/execution also get `tsan`: they hold no uninstrumented gRPC and run under ThreadSanitizer.
# NEEDS_BINARIES makes the test depend on `favord` and `favor` and defines FAVOR_FAVORD_PATH and FAVOR_FAVOR_PATH.
# Every test sees FAVOR_TEST_DATA_DIR, the folder tests/data of the sources.
function(favor_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "NEEDS_BINARIES" "NAME;TIMEOUT" "SOURCES;LIBRARIES;LABELS")
  if(NOT arg_NAME OR NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "favor_test needs NAME and SOURCES, and does not know: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS fast)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/tests OUTPUT_VARIABLE folder)
  if(folder MATCHES "^(lib|server/execution)(/|$)")
    list(APPEND arg_LABELS tsan)
  endif()

  add_executable(${arg_NAME} ${arg_SOURCES})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LIBRARIES} GTest::gmock_main)
  target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${arg_NAME} PRIVATE FAVOR_TEST_DATA_DIR="${PROJECT_SOURCE_DIR}/tests/data")
  if(FAVOR_SANITIZE MATCHES "thread")
    target_sources(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests/sanitize/absl_for_tsan.cc)
  endif()
  if(arg_NEEDS_BINARIES)
    add_dependencies(${arg_NAME} favord favor_cli)
    target_compile_definitions(${arg_NAME} PRIVATE
      FAVOR_FAVORD_PATH="$<TARGET_FILE:favord>" FAVOR_FAVOR_PATH="$<TARGET_FILE:favor_cli>")
  endif()

  gtest_discover_tests(${arg_NAME} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${arg_TIMEOUT})
  # gtest_discover_tests flattens a list among its properties, so the labels are set in a file that ctest reads later.
  set(labels_file ${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}_labels.cmake)
  file(WRITE ${labels_file} "foreach(test IN LISTS ${arg_NAME}_TESTS)
  set_tests_properties(\"\${test}\" PROPERTIES LABELS \"${arg_LABELS}\")\nendforeach()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels_file})
endfunction()

# favor_benchmark(NAME <name> SOURCES <files> LIBRARIES <targets>)
# One Google Benchmark executable; the target `favor_benchmarks` builds all of them. Run by `./dev bench`, never by ctest.
function(favor_benchmark)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES;LIBRARIES")
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LIBRARIES} benchmark::benchmark_main)
  target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${arg_NAME} PRIVATE FAVOR_TEST_DATA_DIR="${PROJECT_SOURCE_DIR}/tests/data")
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/benchmarks)
  add_dependencies(favor_benchmarks ${arg_NAME})
endfunction()

# favor_fuzzer(NAME <name> SOURCES <files> LIBRARIES <targets>)
# One libFuzzer executable (LLVMFuzzerTestOneInput); the target `favor_fuzzers` builds all of them. Run by `./dev fuzz`,
# which starts from the files of corpus/<name>/ beside its sources, if there are any.
function(favor_fuzzer)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES;LIBRARIES")
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LIBRARIES})
  target_link_options(${arg_NAME} PRIVATE -fsanitize=fuzzer)
  target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzzers)
  add_dependencies(favor_fuzzers ${arg_NAME})
endfunction()
