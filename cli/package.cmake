# SPDX-License-Identifier: Apache-2.0

# What `cmake --install` puts where, and the Debian package: `cmake --workflow --preset deb`.
install(TARGETS leadglass RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES docs/leadglass.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES cli/systemd/leadglass@.service DESTINATION lib/systemd/system)
install(FILES cli/completion/leadglass DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
# mount(8) looks for helpers in /sbin (on Debian 12 a link to usr/sbin).
install(PROGRAMS cli/mount.fuse.leadglass DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(FILES README.md CHANGELOG.md docs/cli.md docs/design.md docs/operations.md
  docs/format.md docs/threat-model.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_CONTACT "leadglass maintainers <maintainers@leadglass.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "fuse3, passwd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/debian/postinst)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "attr, dcmtk, orthanc")
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
include(CPack)
