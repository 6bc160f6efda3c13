package idp

import "runtime/debug"

// release is set by a build that makes a release:
//
//	go build -ldflags "-X gatehouse/idp.release=v1.2.3" ./cmd/gatehouse
var release string

// Release is the version of this program: the one that its build was told, else what
// Go knows of the module (the tag of a clean checkout, a pseudo-version between tags),
// else the commit. It is "unknown" where none is known, as in tests.
func Release() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return s.Value
		}
	}
	if info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
