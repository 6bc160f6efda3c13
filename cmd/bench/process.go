package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"gatehouse/idp/server"
)

// roleVariable tells a process started from this program what it is.
const roleVariable = "GATEHOUSE_BENCH_ROLE"

// The roles.
const (
	roleProvider = "provider"
	roleFloor    = "floor"
)

// orders are what a started process is told on its standard input, so that no
// password is in its arguments.
type orders struct {
	World   world
	Profile string
	// Discovery and Keys are the bytes that the floor serves.
	Discovery, Keys []byte
	// Headers are those that the provider sends with discovery, for the row that
	// tells what they cost.
	Headers map[string][]string
}

// process is a provider or a floor that runs.
type process struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	address string
}

// start runs this program once more, in a role.
func start(ctx context.Context, role string, o orders) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self) // #nosec G204 -- this very program
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		return nil, fmt.Errorf("start the %s: %w", role, err)
	}
	p := &process{cmd: cmd, stdin: stdin}
	if err := json.NewEncoder(stdin).Encode(o); err != nil {
		return nil, errors.Join(fmt.Errorf("instruct the %s: %w", role, err), p.stop())
	}
	p.address, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the %s: %w", role, err), p.stop())
	}
	p.address = strings.TrimSpace(p.address)
	return p, nil
}

// stop ends the process by closing what it reads from.
func (p *process) stop() error { return errors.Join(p.stdin.Close(), p.cmd.Wait()) }

// ticks is the unit of processor times in /proc: always 100 a second on Linux.
const ticks = time.Second / 100

// cpuTime is the processor time that a process has used so far.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("read the processor time: %w", err)
	}
	// The second field, the name in parentheses, may hold spaces.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("read the processor time: a short line")
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * ticks, errors.Join(errUser, errSystem)
}

// resident is the memory of a process, in bytes.
func resident(pid int) (int64, error) { return memory(pid, "VmRSS:") }

// private is what of it belongs to the process alone: not the pages of its program file, which
// the system maps as it likes and takes back when it needs them.
func private(pid int) (int64, error) { return memory(pid, "RssAnon:") }

// memory is a line of proc_pid_status(5).
func memory(pid int, line string) (int64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("read the resident memory: %w", err)
	}
	_, rest, _ := strings.Cut(string(status), line)
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	return n << 10, err
}

// serveRole is the other end of start.
func serveRole(ctx context.Context, role string) (err error) {
	quiet()
	var o orders
	in := json.NewDecoder(os.Stdin)
	if err := in.Decode(&o); err != nil {
		return fmt.Errorf("read the orders: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when the parent does
	}()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if o.Profile != "" {
		file, err := os.Create(o.Profile)
		if err != nil {
			return fmt.Errorf("write the profile: %w", err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, file.Close())
		}()
	}
	if role == roleFloor {
		return serveFloor(ctx, o, listener)
	}
	return serveProvider(ctx, o, listener)
}

// quiet keeps lines of the log out of the table.
func quiet() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
}

func serveProvider(ctx context.Context, o orders, listener net.Listener) error {
	srv, err := server.Open(ctx, o.World.config())
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return errors.Join(srv.Run(ctx, server.Listeners{Public: listener}), srv.Close())
}
