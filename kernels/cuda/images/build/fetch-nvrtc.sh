#!/bin/sh
# Gets NVRTC 12.4 (18 MB, Debian trixie non-free) into a folder; installs nothing.
#   fetch-nvrtc.sh [FOLDER]     FOLDER is artifacts/nvrtc where none is named
# Packages come from where this system's own do; DEBIAN_MIRROR names another place.
set -eu
mkdir -p "${1:-artifacts/nvrtc}"
cd "${1:-artifacts/nvrtc}"
key=/usr/share/keyrings/debian-archive-trixie-automatic.gpg
if [ ! -e "$key" ]; then
  echo "$key is not there: install Debian's debian-archive-keyring, 2023.4 or newer." >&2
  exit 1
fi
mkdir -p apt/lists/partial apt/cache/archives/partial
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)
echo "deb [arch=amd64 signed-by=$key] ${DEBIAN_MIRROR:-$mirror} trixie non-free" > apt/sources.list
set -- -o "Dir::Etc::sourcelist=$PWD/apt/sources.list" -o Dir::Etc::sourceparts=- \
  -o "Dir::State::Lists=$PWD/apt/lists" -o "Dir::Cache=$PWD/apt/cache" -o APT::Sandbox::User=root
apt-get -q "$@" update
apt-get -q "$@" download libnvrtc12 libnvrtc-builtins12.4
for package in *.deb; do dpkg -x "$package" .; done
mv usr/lib/x86_64-linux-gnu/libnvrtc*.so.12* .
rm -r apt usr ./*.deb
ls libnvrtc.so.12
