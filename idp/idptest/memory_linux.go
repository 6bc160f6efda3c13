package idptest

import (
	"sync"
	"syscall"
)

// roomEnough is what must be free: a test needs some megabytes, and several run at once.
// A container may have 64 MB in all.
const roomEnough = 512 << 20

// memory is a file system in memory, empty where there is none with enough room.
var memory = sync.OnceValue(func() string {
	const shared, tmpfs = "/dev/shm", 0x01021994
	var fs syscall.Statfs_t
	if err := syscall.Statfs(shared, &fs); err != nil || fs.Type != tmpfs || fs.Bavail < roomEnough/uint64(fs.Bsize) {
		return ""
	}
	if syscall.Access(shared, 2) != nil { // writable
		return ""
	}
	return shared
})
