# SPDX-License-Identifier: Apache-2.0
# `cmake --install build/release`, and the Debian package of the same files (`cpack --config build/release/CPackConfig.cmake`).
# Everything goes below the prefix, except the component `settings`, which the package alone installs unasked: by hand
# `cmake --install build/release --component settings` puts the first config file into /etc/spillway.
include(GNUInstallDirs)

set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME files)
set(share ${CMAKE_INSTALL_DATADIR}/spillway)
set(doc ${CMAKE_INSTALL_DATADIR}/doc/spillway)

install(TARGETS spillway DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(FILES deploy/systemd/spillway.service DESTINATION lib/systemd/system)
install(FILES deploy/systemd/spillway.sysusers DESTINATION lib/sysusers.d RENAME spillway.conf)
install(FILES deploy/systemd/config.json DESTINATION ${share})
install(FILES deploy/systemd/config.json DESTINATION /etc/spillway COMPONENT settings EXCLUDE_FROM_ALL)
install(FILES deploy/sysctl.conf DESTINATION ${share})
install(FILES deploy/redis/spillway.lua DESTINATION ${share}/redis)
install(DIRECTORY deploy/nginx deploy/haproxy DESTINATION ${share})
install(DIRECTORY deploy/prometheus deploy/grafana DESTINATION ${share} FILES_MATCHING PATTERN rules.yaml PATTERN spillway.json)
# In folders as here, so that their links hold.
install(FILES README.md DESTINATION ${doc})
install(FILES gateway/CLIENTS.md gateway/CONFIG.md gateway/METRICS.md gateway/PROTOCOL.md DESTINATION ${doc}/gateway)
install(FILES deploy/README.md deploy/CAPACITY.md deploy/CHANGES.md deploy/LAUNCH.md deploy/RUNBOOK.md deploy/SECURITY.md
    deploy/UPGRADING.md DESTINATION ${doc}/deploy)
install(FILES deploy/debian/copyright DESTINATION ${doc})

# As Debian wants it: compressed, without a name and a time.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS deploy/debian/changelog)
execute_process(COMMAND gzip -9nc ${CMAKE_SOURCE_DIR}/deploy/debian/changelog OUTPUT_FILE ${CMAKE_BINARY_DIR}/changelog.gz)
install(FILES ${CMAKE_BINARY_DIR}/changelog.gz DESTINATION ${doc})
install(FILES LICENSE DESTINATION ${doc} COMPONENT program)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME spillway)
# Who builds packages for others gives an address that is read: -D CPACK_PACKAGE_CONTACT="NAME <ADDRESS>".
set(CPACK_PACKAGE_CONTACT "Spillway maintainers <spillway@localhost>" CACHE STRING "the package's Maintainer")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "real-time pub/sub fan-out gateway")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_COMPONENTS_ALL program files settings)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Carries messages from Redis Pub/Sub to browsers and other clients, over\nWebSockets or Server-Sent Events, in order and byte for byte. A client that\nis too slow costs the others nothing, and hears what it has missed.")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "redis-server, nginx | haproxy")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/deploy/debian/conffiles ${CMAKE_SOURCE_DIR}/deploy/debian/postinst
    ${CMAKE_SOURCE_DIR}/deploy/debian/prerm ${CMAKE_SOURCE_DIR}/deploy/debian/postrm)
include(CPack)
