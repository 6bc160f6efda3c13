//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/need"
)

// mostImage is the most that an image may take to fetch, in bytes.
const mostImage = 30 << 20

// buildah builds images and keeps them in a folder of its own.
type buildah struct {
	t      *testing.T
	folder string
}

func (b buildah) run(args ...string) string {
	b.t.Helper()
	at := []string{"--storage-driver", "vfs", "--root", b.folder + "/root", "--runroot", b.folder + "/run"}
	out, err := exec.Command("buildah", append(at, args...)...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("buildah %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// released builds the program as the image has it, and lays it where the stages of a
// Dockerfile look for what earlier stages made.
func released(t *testing.T, folder string) {
	t.Helper()
	for _, path := range []string{"out/data", "empty", "etc/ssl/certs", "linux/amd64"} {
		idptest.Must(t, os.MkdirAll(filepath.Join(folder, path), 0o755)) // #nosec G301 -- as in an image
	}
	program := filepath.Join(folder, "out/gatehouse")
	idptest.Must(t, buildProgram(program, "-ldflags=-s -w -X gatehouse/idp.release=v0.0.0-image"))
	idptest.Must(t, os.Link(program, filepath.Join(folder, "linux/amd64/gatehouse")))
	idptest.Must(t, os.WriteFile(filepath.Join(folder, "etc/ssl/certs/ca-certificates.crt"), nil, 0o644)) // #nosec G306 -- public
}

// The last stage of each Dockerfile makes an image that starts as its own user, with a
// root that it cannot write, and finds itself healthy. The stages before it would need a
// registry: what they make is given.
func TestTheImageStartsAsItsOwnUserOnARootThatItCannotWrite(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("buildah"); err != nil {
		need.OrSkip(t, "buildah", err.Error())
	}
	if os.Getuid() != 0 {
		t.Skip("mounting the image's root takes root, as in CI")
	}
	folder := t.TempDir()
	released(t, folder)
	b := buildah{t, t.TempDir()}
	for file, stage := range map[string]string{"Dockerfile": "build", "docs/deploy/release.Dockerfile": "files"} {
		image := "gatehouse-" + stage
		b.run("build", "--isolation", "chroot", "--format", "docker", "--build-context", stage+"="+folder, "--build-arg", "TARGETPLATFORM=linux/amd64",
			"-t", image, "-f", filepath.Join("../..", file), folder)
		var about struct {
			Docker struct {
				Config struct {
					User, WorkingDir string
					Env              []string
					Entrypoint, Cmd  []string
					Healthcheck      struct{ Test []string }
				} `json:"config"`
			}
		}
		idptest.Must(t, json.Unmarshal([]byte(b.run("inspect", "--type", "image", image)), &about))
		c := about.Docker.Config
		if c.User != "65532:65532" || !slices.Equal(c.Healthcheck.Test, []string{"CMD", "/gatehouse", "healthcheck"}) {
			t.Errorf("%s: user %q, health by %v", file, c.User, c.Healthcheck.Test)
		}
		b.run("push", image, "dir:"+b.folder+"/"+stage)
		if size := sizeOf(t, b.folder+"/"+stage); size > mostImage {
			t.Errorf("%s: the image takes %d bytes to fetch", file, size)
		}
		container := b.run("from", image)
		startImage(t, b.run("mount", container), c.Env, append(c.Entrypoint, c.Cmd...))
		b.run("umount", container)
	}
}

func sizeOf(t *testing.T, folder string) (size int64) {
	t.Helper()
	idptest.Must(t, filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	}))
	return size
}

// startImage runs an image's command in its root, which is mounted read-only, with a
// volume at /data, as a container engine does.
func startImage(t *testing.T, root string, env, command []string) {
	t.Helper()
	inside := func(args ...string) *exec.Cmd {
		// The mounts are this command's own and end with it.
		const mounts = `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount --bind "$VOLUME" "$0/data" &&
			exec chroot --userspec=65532:65532 "$0" "$@"`
		cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", mounts, root}, args...)...)
		cmd.Env = append(slices.Clone(env), "PATH="+os.Getenv("PATH"), "VOLUME="+filepath.Join(root, "../volume"))
		return cmd
	}
	volume := filepath.Join(root, "../volume")
	idptest.Must(t, os.RemoveAll(volume))
	idptest.Must(t, os.Mkdir(volume, 0o700))
	idptest.Must(t, os.Chown(volume, 65532, 65532))
	if out, err := inside("/gatehouse", "version").CombinedOutput(); err != nil || string(out) != "gatehouse v0.0.0-image\n" {
		t.Fatalf("the version is %q (%v)", out, err)
	}
	address := freeAddress(t)
	serve := inside(command...)
	serve.Env = append(serve.Env, "GATEHOUSE_ISSUER=http://"+address, "GATEHOUSE_LISTEN="+address, "GATEHOUSE_METRICS_LISTEN="+freeAddress(t), "GATEHOUSE_DRAIN=0")
	var said strings.Builder
	serve.Stderr = &said
	idptest.Must(t, serve.Start())
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	healthy := func() ([]byte, error) {
		check := inside("/gatehouse", "healthcheck")
		check.Env = append(check.Env, fmt.Sprintf("GATEHOUSE_HEALTHCHECK_URL=http://%s/readyz", address))
		return check.CombinedOutput()
	}
	for n := 0; ; n++ {
		out, err := healthy()
		if err == nil {
			break
		}
		if n > 400 {
			t.Errorf("it does not get healthy: %s%s", out, said.String())
			break
		}
		<-tick.C
	}
	if res, err := http.Get("http://" + address + "/.well-known/openid-configuration"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("from outside: %v (%v)", res, err)
	} else {
		_ = res.Body.Close()
	}
	idptest.Must(t, serve.Process.Signal(syscall.SIGTERM))
	if err := serve.Wait(); err != nil {
		t.Errorf("stopping: %v\n%s", err, said.String())
	}
	if _, err := healthy(); err == nil {
		t.Error("it is healthy after its end")
	}
}
