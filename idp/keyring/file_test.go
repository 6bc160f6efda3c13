package keyring_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gatehouse/idp/keyring"
)

func TestLoadFileMakesAKeyOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	first, err := keyring.LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	again, err := keyring.LoadFile(path)
	if err != nil || again.String() != first.String() {
		t.Errorf("got %v, %v, want %v", again, err, first)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("temporary files stay: %v, %v", files, err)
	}
}

func TestProcessesThatStartTogetherAgreeOnOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	ids := make([]string, 32)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			k, err := keyring.LoadFile(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.String()
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("keys differ: %v", ids)
		}
	}
}

func TestLoadFileReadsSeveralKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	write(t, path, std(2)+",\n"+std(1)+"\r\n\n", 0o400)
	k, err := keyring.LoadFile(path)
	if err != nil || k.String() != mustParse(t, std(2), std(1)).String() {
		t.Errorf("got %v, %v", k, err)
	}
}

func TestLoadFileRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"readable by the group": {std(1), 0o640, "run chmod 600 "},
		"readable by others":    {std(1), 0o604, "run chmod 600 "},
		"empty":                 {"", 0o600, "master key 1 is empty"},
		"too large":             {strings.Repeat(" ", 64<<10+1), 0o600, "larger than"},
		"not a key":             {"SECRET", 0o600, "master key 1 "},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "master.key")
			write(t, path, c.text, c.mode)
			_, err := keyring.LoadFile(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("got %v, want … %s …", err, c.want)
			}
		})
	}
}

func TestLoadFileInAFolderThatIsNotThere(t *testing.T) {
	if _, err := keyring.LoadFile(filepath.Join(t.TempDir(), "no", "master.key")); err == nil {
		t.Error("no error")
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask may have cut it
		t.Fatal(err)
	}
}
