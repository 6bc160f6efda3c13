package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"gatehouse/idp"
)

const starts = 5

// measureStart starts the built program on a database that exists and asks it
// until it answers: how long that took, and how much memory it then holds.
func measureStart(ctx context.Context, o options, data string) error {
	fmt.Println("\n| Start on an existing database | first answer (median) | slowest | goal | resident memory after it | goal | private of it |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|")
	database, drop, err := newSchema(ctx, o.postgres)
	if err != nil {
		return err
	}
	for _, on := range []struct{ dialect, database string }{{"SQLite", ""}, {"PostgreSQL", database}} {
		if err := startOften(ctx, o, on.dialect, filepath.Join(data, "start-"+on.dialect), on.database); err != nil {
			return errors.Join(err, drop())
		}
	}
	return drop()
}

func startOften(ctx context.Context, o options, dialect, data, database string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	var took []time.Duration
	var memory, own []int64
	for i := range starts + 1 {
		t, m, of, err := startOnce(ctx, o.binary, data, database)
		if err != nil {
			return err
		}
		if i > 0 { // the first made the database
			took, memory, own = append(took, t), append(memory, m), append(own, of)
		}
	}
	slices.Sort(took)
	slices.Sort(memory)
	slices.Sort(own)
	fmt.Printf("| %s | %s | %s | 150 ms | %.1f MiB | 40 MiB | %.1f MiB |\n", dialect, milliseconds(took[starts/2]), milliseconds(took[starts-1]),
		float64(memory[starts/2])/(1<<20), float64(own[starts/2])/(1<<20))
	return nil
}

func startOnce(ctx context.Context, binary, data, database string) (took time.Duration, memory, own int64, err error) {
	address, err := freeAddress()
	if err != nil {
		return 0, 0, 0, err
	}
	cmd := exec.CommandContext(ctx, binary, "serve", "--issuer", "http://localhost:8080", "--data", data,
		"--listen", address, "--metrics-listen", "", "--log-level", "warn") // #nosec G204 -- who runs this names the program
	cmd.Env = append(os.Environ(), "GATEHOUSE_DATABASE_URL="+database)
	var said bytes.Buffer // of interest only if it does not start
	cmd.Stderr = &said
	begin := idp.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, 0, fmt.Errorf("start %s: %w", binary, err)
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
		if err != nil {
			err = fmt.Errorf("%w: %s", err, said.Bytes())
		}
	}()
	for !answers(address) {
		if idp.Now().Sub(begin) > patience {
			return 0, 0, 0, fmt.Errorf("%s does not answer", binary)
		}
		time.Sleep(time.Millisecond)
	}
	took = idp.Now().Sub(begin)
	memory, err = resident(cmd.Process.Pid)
	own, errOwn := private(cmd.Process.Pid)
	return took, memory, own, errors.Join(err, errOwn)
}

func answers(address string) bool {
	c, err := dial(address)
	if err != nil {
		return false
	}
	_, err = c.expect(http.StatusOK, get("/.well-known/openid-configuration"))
	return errors.Join(err, c.Close()) == nil
}

// freeAddress is one that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
