// Many goroutines at work: channels, mutexes, timers, files, children.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	if os.Args[1] == "panic" {
		var p *int
		fmt.Println(*p)
	}
	n, _ := strconv.Atoi(os.Args[1])
	var wg sync.WaitGroup
	var mu sync.Mutex
	var total, atomics int64
	for i := 0; i < n; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			for k := 0; k < 200; k++ {
				mu.Lock()
				total += int64(k)
				mu.Unlock()
				atomic.AddInt64(&atomics, 1)
			}
			must(os.WriteFile(fmt.Sprintf("go-%d", i), []byte("x"), 0o600))
			must(os.Remove(fmt.Sprintf("go-%d", i)))
		}(i)
	}
	wg.Wait()
	fmt.Println(total, atomics)

	c := make(chan int)
	go func() {
		defer close(c)
		for i := 0; i < 1000; i++ {
			c <- i
		}
	}()
	s := 0
	for v := range c {
		s += v
	}
	fmt.Println(s)

	select {
	case <-time.After(50 * time.Millisecond):
		fmt.Println("timer")
	case <-c:
		fmt.Println("closed")
	}

	l, err := net.Listen("unix", "go.sock")
	must(err)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(conn, conn); conn.Close() }()
		}
	}()
	var answers int64
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			conn, err := net.Dial("unix", "go.sock")
			must(err)
			conn.Write([]byte("echo"))
			conn.(*net.UnixConn).CloseWrite()
			b, _ := io.ReadAll(conn)
			if bytes.Equal(b, []byte("echo")) {
				atomic.AddInt64(&answers, 1)
			}
		}()
	}
	wg.Wait()
	l.Close()
	fmt.Println("answers", answers)

	out, err := exec.Command("echo", "child").Output()
	must(err)
	fmt.Print(string(out))
	err = exec.Command("sh", "-c", "exit 3").Run()
	fmt.Println(err)

	sig := make(chan os.Signal, 1)
	signal.Notify(sig, syscall.SIGUSR1)
	must(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	fmt.Println(<-sig)
	os.Exit(5)
}
