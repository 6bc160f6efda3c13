package idptest

import (
	"os"
	"testing"
)

// durable names the environment variable of the benchmarks, which measure what is
// forced to disk.
const durable = "GATEHOUSE_TEST_DURABLE"

// Folder is a folder for a test's databases that goes when the test ends. It lies in
// memory where there is room: SQLite waits for the disk at each commit, and a test kills
// programs, never the machine.
func Folder(tb testing.TB) string {
	tb.Helper()
	root := memory()
	if root == "" || os.Getenv(durable) != "" {
		return tb.TempDir()
	}
	dir, err := os.MkdirTemp(root, "gatehouse-test-")
	if err != nil {
		tb.Fatalf("making a folder in memory: %v", err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("removing the folder in memory: %v", err)
		}
	})
	return dir
}
