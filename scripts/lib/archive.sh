# shellcheck shell=bash
# Debian suites other than the machine's own, without touching its sources: an apt with its own lists
# and caches in the cache folder. The mirror is the one that the machine itself uses, found at run time;
# signatures are checked by apt against debian-archive-keyring. To be sourced after root.sh and steps.sh.

# shellcheck disable=SC2154,SC2016 # cache_root is root.sh's; apt expands its own $(…)
archive_state=$cache_root/apt

archive_keyring() {
    local keyring
    for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
        [[ -e $keyring ]] && printf '%s\n' "$keyring" && return
    done
    die "no Debian archive keyring: install debian-archive-keyring"
}

# archive_uri main|security: where this machine gets Debian from; empty when it has no such source.
archive_uri() {
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk -v want="$1" '
            $2 == "main" && $3 ~ /debian(-security)?\/$/ {
                kind = $1 ~ /-security$/ ? "security" : "main"
                if (kind == want && $1 !~ /-backports/) { print $3; exit }
            }'
}

# archive_sources SUITE…: the lines of a sources.list; a security suite only if its URI is known.
archive_sources() {
    local suite main security keyring
    main=$(archive_uri main)
    security=$(archive_uri security)
    keyring=$(archive_keyring)
    [[ -n $main ]] || die "this machine's apt has no source of Debian's main archive to take the mirror from"
    for suite in "$@"; do
        case $suite in
        *-security) [[ -z $security ]] || echo "deb [arch=amd64 signed-by=$keyring] $security $suite main" ;;
        *) echo "deb [arch=amd64 signed-by=$keyring] $main $suite main" ;;
        esac
    done
}

# archive_apt TOOL ARG…: apt-get or apt-cache on our own state; proxies of the machine's apt.conf hold.
archive_apt() {
    local tool=$1
    shift
    "$tool" -q -o Dir::Etc::sourcelist="$archive_state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o Dir::State="$archive_state/state" -o Dir::State::status="$archive_state/state/status" \
        -o Dir::Cache="$archive_state/cache" -o APT::Sandbox::User=root \
        -o APT::Get::List-Cleanup=1 -o Acquire::Languages=none "$@"
}

archive_update() { # SUITE…
    mkdir -p "$archive_state"/{state/lists/partial,cache/archives/partial,debs}
    : >"$archive_state/state/status"
    archive_sources "$@" >"$archive_state/sources.list"
    archive_apt apt-get update --error-on=any
}

# archive_versions PREFIX REGEX: versions V for which a package PREFIX+V exists, oldest first.
archive_versions() {
    archive_apt apt-cache pkgnames "$1" | sed -n "s/^$1//p" | grep -E -x "$2" | sort -V
}

# archive_unpack FOLDER PACKAGE…: downloads (apt checks the hashes) and unpacks into FOLDER.
archive_unpack() {
    local folder=$1 package deb
    shift
    mkdir -p "$folder"
    for package in "$@"; do
        rm -f "$archive_state/debs/$package"_*.deb
        (cd "$archive_state/debs" && archive_apt apt-get download "$package")
        for deb in "$archive_state/debs/$package"_*.deb; do
            dpkg-deb -x "$deb" "$folder"
            rm -f "$deb"
        done
    done
}
