// Package server puts the rooms together: from a configuration to a running
// provider with its listeners, jobs, health and metrics. It decides nothing
// about sign-ins.
package server
