//go:build unix

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/need"
)

// disk is a file system in memory of a test's own, which can be full.
type disk struct {
	t      *testing.T
	folder string
}

// diskSize is the most that lies on one.
const diskSize = 8 << 30

// newDisk mounts one, which takes root on Linux; else it says why it cannot.
func newDisk(t *testing.T) (*disk, error) {
	t.Helper()
	d := &disk{t, t.TempDir()}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", d.folder).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mount a file system in memory: %w: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", d.folder).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	d.free()
	return d, nil
}

func needDisk(t *testing.T) *disk {
	t.Helper()
	d, err := newDisk(t)
	if err != nil {
		need.OrSkip(t, "disk", err.Error())
	}
	return d
}

// fill leaves no room.
func (d *disk) fill() {
	d.t.Helper()
	for range 100 { // others write meanwhile
		var now syscall.Statfs_t
		idptest.Must(d.t, syscall.Statfs(d.folder, &now))
		if d.resize((now.Blocks-now.Bfree)*uint64(now.Bsize)) == nil { // #nosec G115 -- a block's size
			return
		}
	}
	d.t.Fatal("the disk cannot be made smaller")
}

// free gives room again.
func (d *disk) free() {
	d.t.Helper()
	idptest.Must(d.t, d.resize(diskSize))
}

func (d *disk) resize(bytes uint64) error {
	return exec.Command("mount", "-o", fmt.Sprintf("remount,size=%d", bytes), d.folder).Run()
}

// sub is a new folder on the disk.
func (d *disk) sub(name string) string {
	d.t.Helper()
	folder := d.folder + "/" + name
	idptest.Must(d.t, os.Mkdir(folder, 0o700))
	return folder
}
