#!/usr/bin/env bash
# Builds the real `otbApplication` for one Python, from Debian's packages alone.
#
#     tests/real_otb/build.sh FOLDER [PYTHON]
#
# Debian ships OTB's libraries and applications, but not its Python bindings.  Their
# sources are in the source package `otb`: they are downloaded (700 MB, once), wrapped
# by SWIG, compiled and put into FOLDER/<tag of the Python, such as cpython-311>, with
# two paths to set (`environment`).  What is there and fits is not built again.
#
#     OTBTF_SOURCE=otbtf tests/real_otb/build.sh FOLDER [PYTHON]
#
# adds OTBTF, in FOLDER/<tag>-otbtf: three applications, compiled from its source in
# OTBTF_SOURCE, its Python package, and GDAL's, which that imports.  Tried: OTBTF 4.3.1
# and a Python with TensorFlow 2.14.1.
#
# Needed: Debian or Ubuntu with
#     apt-get install libotb-dev otb-bin swig g++ xz-utils
# a Python with its headers, and numpy.  Exit code: 0 built, 77 skipped because
# something of that is missing, else an error.  Nothing outside FOLDER is changed; the
# source package's list is fetched into FOLDER as well.
set -euo pipefail

FOLDER=${1:?say where to: build.sh FOLDER [PYTHON]}
PYTHON=${2:-python3}
SKIPPED=77

skip() {
    echo "real OTB: skipped: $1" >&2
    exit $SKIPPED
}
say() { echo "real OTB: $1"; }

for program in apt-get swig g++ xz "$PYTHON"; do
    command -v "$program" > /dev/null || skip "$program is not installed"
done
for package in libotb-dev otb-bin; do
    dpkg-query -W "$package" > /dev/null 2>&1 || skip "Debian's $package is not installed"
done
read -r tag python_headers numpy_headers numpy_version < <("$PYTHON" -c '
import sys, sysconfig, numpy
print(sys.implementation.cache_tag, sysconfig.get_path("include"),
      numpy.get_include(), numpy.__version__)') || skip "numpy is not installed for $PYTHON"
[ -e "$python_headers/Python.h" ] || skip "Python's headers are not in $python_headers"
PYTHON=$(realpath --no-symlinks "$(command -v "$PYTHON")")
otb_version=$(dpkg-query -W -f '${Version}' libotb-dev)
libraries=$(dirname "$(dpkg-query -L libotb-dev | grep '/libOTBCommon-.*\.so$')")

mkdir -p "$FOLDER"
FOLDER=$(cd "$FOLDER" && pwd)
built=$FOLDER/$tag${OTBTF_SOURCE:+-otbtf}
made_for="OTB $otb_version, numpy $numpy_version"
if [ -n "${OTBTF_SOURCE+given}" ]; then
    [ -e "$OTBTF_SOURCE/app/otbPatchesSelection.cxx" ] ||
        skip "OTBTF_SOURCE=$OTBTF_SOURCE is no folder with the source of OTBTF"
    otbtf=$(sed -n 's/^ *version="\(.*\)".*/\1/p' "$OTBTF_SOURCE/setup.py")
    OTBTF_SOURCE=$(cd "$OTBTF_SOURCE" && pwd)
    tensorflow=$("$PYTHON" -c 'import importlib.util as u, importlib.metadata as m, pathlib
print(pathlib.Path(u.find_spec("tensorflow").origin).parent, m.version("tensorflow"))') ||
        skip "TensorFlow is not installed for $PYTHON"
    made_for+=", OTBTF $otbtf, TensorFlow ${tensorflow#* }"
    tensorflow=${tensorflow% *}
fi
if [ "$(cat "$built/made_for" 2> /dev/null)" = "$made_for" ]; then
    say "built already: $built ($made_for)"
    exit 0
fi

work=$(mktemp -d "$FOLDER/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

# 1. The sources of the bindings, for this very version.
sources=$FOLDER/SWIG-$otb_version
if [ ! -d "$sources" ]; then
    say "downloading the source package otb $otb_version"
    # Where the machine has libotb-dev from, asked for sources instead of packages.
    site=$(apt-cache madison libotb-dev |
        awk -F ' *[|] *' -v v="$otb_version" '$2 == v && !n++ {split($3, w, " "); print w[1]}')
    [ -n "$site" ] || skip "apt does not know where libotb-dev $otb_version comes from"
    mkdir -p "$work"/{parts,lists/partial,cache/archives/partial,download}
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ -e "$list" ] || continue
        case $list in
            *.sources)
                awk -v RS= -v ORS='\n\n' -v site="$site" 'index($0, site)' "$list" |
                    sed 's/^Types:.*/Types: deb-src/' > "$work/parts/$(basename "$list")"
                ;;
            *.list)
                awk -v site="$site" '$1 == "deb" && index($0, site)' "$list" |
                    sed 's/^deb /deb-src /' > "$work/parts/$(basename "$list")"
                ;;
        esac
    done
    own_lists=(
        -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/parts"
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache"
        -o APT::Sandbox::User=root -qq
    )
    apt-get "${own_lists[@]}" update
    (cd "$work/download" &&
        apt-get "${own_lists[@]}" source --download-only --tar-only "otb=$otb_version")
    say "unpacking Modules/Wrappers/SWIG"
    tar -xf "$work"/download/otb_*.orig.tar.* -C "$work" Modules/Wrappers/SWIG
    mv "$work/Modules/Wrappers/SWIG" "$sources"
    rm -rf "$work/download"
fi

# 2. The wrapper, one .cxx and one .py.
say "wrapping with SWIG"
cp -r "$sources/src" "$work/src"
cd "$work/src"
headers=(-I. -Ipython)
for folder in /usr/include/ITK-* /usr/include/OTB-*; do headers+=("-I$folder"); done
mkdir "$work/made"
# OTB calls static methods as functions; SWIG makes these since 4.1 on request only.
flat=()
[[ $(swig -python -help) != *flatstaticmethod* ]] || flat=(-flatstaticmethod)
swig -python -c++ "${flat[@]}" -DOTB_SWIGNUMPY=1 "${headers[@]}" -outdir "$work/made" \
    -o wrapped.cxx otbApplication.i

# 3. Four files of C++, and the library.  Python 3.13 no longer knows PyEval_CallObject.
say "compiling"
for code in wrapped.cxx python/{itkPyCommand,otbPythonLogOutput,otbProgressReporterManager}.cxx
do
    g++ -c -O1 -w -fPIC -std=c++14 -DOTB_SWIGNUMPY=1 \
        -DPyEval_CallObject=PyObject_CallObject "${headers[@]}" \
        -I/usr/include/gdal "-I$python_headers" "-I$numpy_headers" "$code"
done
otb=$(basename "$libraries"/libOTBApplicationEngine-*.so .so)
otb=${otb#libOTBApplicationEngine-}
g++ -shared -o "$work/made/_otbApplication.so" ./*.o \
    "-L$libraries" "-lOTBApplicationEngine-$otb" "-lOTBCommon-$otb"

applications=$libraries/otb/applications
modules=$built

# 4. OTBTF: three applications, and two Python packages.
build_otbtf() {
    mkdir -p "$work/headers/tensorflow/cc/saved_model" "$work/made/otbtf"
    cp -r "$OTBTF_SOURCE" "$work/otbtf"
    # A default that is repeated; newer compilers refuse it.
    sed -i '80s/ = typename TImage::InternalPixelType//' \
        "$work/otbtf/include/otbTensorflowCopyUtils.cxx"
    # TensorFlow's wheel lacks two headers with names of its file format.
    (cd "$work/headers/tensorflow/cc/saved_model" &&
        echo 'namespace tensorflow {
constexpr char kSavedModelTagServe[] = "serve";
}' > tag_constants.h &&
        echo 'namespace tensorflow {
constexpr char kDefaultServingSignatureDefKey[] = "serving_default";
}' > signature_constants.h)
    local own=("-I$work/otbtf/include" "${headers[@]}" -I/usr/include/gdal) name libs=()
    for name in "$libraries"/libOTB*-"$otb".so; do
        name=$(basename "$name" .so) && libs+=("-l${name#lib}")
    done
    name=$(basename /usr/include/ITK-*)
    libs+=("-lITKCommon-${name#ITK-}" -lgdal)
    for name in PatchesSelection PatchesExtraction TensorflowModelServe; do
        say "compiling OTBTF's $name"
        if [ $name = TensorflowModelServe ]; then
            own+=("-I$work/headers" "-I$tensorflow/include" -DEIGEN_MAX_ALIGN_BYTES=64)
            libs+=("$tensorflow"/libtensorflow_{cc,framework}.so.2 "-Wl,-rpath,$tensorflow")
        fi
        g++ -c -std=c++17 -O2 -DNDEBUG -fPIC -w "${own[@]}" \
            "$work/otbtf/app/otb$name.cxx" -o "$work/$name.o"
        g++ -shared -o "$work/made/otbtf/otbapp_$name.so" "$work/$name.o" \
            "-L$libraries" -Wl,--as-needed "${libs[@]}"
    done
    say "installing OTBTF's Python package, and GDAL's"
    "$PYTHON" -m pip install --quiet --no-deps --no-build-isolation \
        --target "$work/made/otbtf" "$work/otbtf" "GDAL==$(gdal-config --version)"
    applications=$built/otbtf:$applications
    modules+=:$built/otbtf
}
[ -z "${OTBTF_SOURCE:-}" ] || build_otbtf

cat > "$work/made/environment" << END
PYTHONPATH=$modules
OTB_APPLICATION_PATH=$applications
END
echo "$made_for" > "$work/made/made_for"

say "trying it"
cd "$work"
count=$(env PYTHONPATH="$work/made" \
    OTB_APPLICATION_PATH="$work/made/otbtf:$libraries/otb/applications" \
    "$PYTHON" -c '
import otbApplication
print(len(otbApplication.Registry.GetAvailableApplications()))')
rm -rf "$built"
mv "$work/made" "$built"
say "built: $built ($made_for, $count applications)"
