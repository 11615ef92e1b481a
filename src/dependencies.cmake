# The libraries that the program needs, and libpixpool does not.
if(PIXPOOL_VIPS)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(VIPS REQUIRED IMPORTED_TARGET vips>=8.14)
  pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
  pkg_check_modules(DRAWING REQUIRED IMPORTED_TARGET fontconfig gdk-pixbuf-2.0)
  pkg_check_modules(METADATA REQUIRED IMPORTED_TARGET expat>=2.4 nettle zlib)
endif()
# Without libvips the program needs no other library: libseccomp is used where it is found, and otherwise the
# program reports that this layer of the sandbox is missing.
if(PIXPOOL_SANDBOX AND PIXPOOL_VIPS)
  pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp>=2.5)
elseif(PIXPOOL_SANDBOX)
  find_package(PkgConfig QUIET)
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(SECCOMP QUIET IMPORTED_TARGET libseccomp>=2.5)
  endif()
endif()

if(PIXPOOL_STATE)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.37)
  pkg_check_modules(HASHES REQUIRED IMPORTED_TARGET libxxhash>=0.8 libb2)
endif()
