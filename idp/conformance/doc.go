// Package conformance holds what the OpenID Foundation's conformance suite asks of a
// provider, module by module, over HTTP. It has tests alone. docs/conformance.md lists
// profiles, modules and what stands for each.
//
// Each module has a fault of its own: a provider with that fault fails this module and no
// other of its profile. So each module is known to look at what its name says.
package conformance
