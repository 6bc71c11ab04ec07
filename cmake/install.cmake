# What an installed convx is made of. A Python wheel holds the same tree inside the package, so that both serve C users alike:
#   include/convx.h   lib/libconvx.so   lib/cmake/convx/   lib/pkgconfig/convx.pc
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(SKBUILD)
  # No version links in a wheel: archives turn links into copies.
  set(CMAKE_INSTALL_LIBDIR lib)
  set(CMAKE_INSTALL_INCLUDEDIR include)
else()
  set_target_properties(convx PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
endif()

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/convx")
install(TARGETS convx EXPORT convx LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES "${CXROOT}/include/convx.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT convx NAMESPACE convx:: FILE convxTargets.cmake DESTINATION "${config_dir}")

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/convxConfig.cmake.in" "${PROJECT_BINARY_DIR}/convxConfig.cmake"
                              INSTALL_DESTINATION "${config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/convxConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/convxConfig.cmake" "${PROJECT_BINARY_DIR}/convxConfigVersion.cmake"
        DESTINATION "${config_dir}")

# Relocatable: paths start at the place of the file itself.
file(RELATIVE_PATH convx_pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" convx_pc_prefix "${convx_pc_prefix}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/convx.pc.in" "${PROJECT_BINARY_DIR}/convx.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/convx.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
