# The extension module: one for every CPython from 3.11 on, where the build asks for the stable ABI.
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module ${SKBUILD_SABI_COMPONENT})

set(core_pyx "${PROJECT_SOURCE_DIR}/python/convx/_core.pyx")
set(core_c "${PROJECT_BINARY_DIR}/_core.c")
add_custom_command(
  OUTPUT "${core_c}"
  COMMAND Python::Interpreter -m cython -3 --depfile --module-name convx._core
          "${core_pyx}" --output-file "${core_c}"
  DEPENDS "${core_pyx}"
  DEPFILE "${core_c}.dep"
  COMMENT "Cython convx._core"
  VERBATIM)

if(SKBUILD_SABI_VERSION)
  python_add_library(_core MODULE "${core_c}" WITH_SOABI USE_SABI ${SKBUILD_SABI_VERSION})
else()
  python_add_library(_core MODULE "${core_c}" WITH_SOABI)
endif()
target_link_libraries(_core PRIVATE convx)
target_compile_options(_core PRIVATE -O2 -fvisibility=hidden -ffunction-sections -fdata-sections)
# Generated code is long: without inlining and alignment a tenth shorter, and calls take the same time.
target_compile_options(_core PRIVATE -fno-inline-functions -fno-inline-small-functions -fno-partial-inlining)
target_compile_options(_core PRIVATE -falign-functions=1 -falign-jumps=1 -falign-labels=1 -falign-loops=1)
# Nor do calls take longer without what copies code for branches that are seldom taken, or orders it for old processors.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(_core PRIVATE -fno-tree-vectorize -fno-reorder-blocks -fno-reorder-blocks-and-partition)
  target_compile_options(_core PRIVATE -fno-thread-jumps -fno-tree-dominator-opts -fno-tree-pre -fno-tree-ch)
  target_compile_options(_core PRIVATE -fno-code-hoisting -fno-schedule-insns2)
endif()
# Nothing unwinds through C that calls Python.
target_compile_options(_core PRIVATE -fno-asynchronous-unwind-tables)
target_link_options(_core PRIVATE -Wl,--gc-sections)
set_target_properties(_core PROPERTIES INSTALL_RPATH "$ORIGIN/${CMAKE_INSTALL_LIBDIR}" BUILD_WITH_INSTALL_RPATH OFF)
install(TARGETS _core LIBRARY DESTINATION .)
