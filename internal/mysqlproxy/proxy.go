package mysqlproxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Fate is what the proxy does with a COMMIT.
type Fate uint8

// The fates.
const (
	Pass      Fate = iota
	CutBefore      // the connection is closed, COMMIT is not forwarded
	CutAfter       // COMMIT is forwarded and its reply read, then the connection is closed
	Swallow        // COMMIT is forwarded, its reply is dropped; the connection stays open until its client closes it
	Hold           // COMMIT waits, with its transaction open, until Release
)

// Proxy is a running proxy. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	choose   func(n int) Fate
	intrude  func(statement string) bool
	commits  int
	queries  int
	done     map[Fate]int
	conns    map[net.Conn]bool
	released chan struct{} // closed by Release
	closed   bool
}

// Start listens on a random port of 127.0.0.1 and forwards to server, host:port. Close ends it.
func Start(server string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		listener: l, server: server, done: map[Fate]int{}, conns: map[net.Conn]bool{}, released: make(chan struct{}),
	}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns the proxy's host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Commits sets the function that chooses the fate of every COMMIT from its number, counted from 1. Nil passes all. It
// is called with the proxy locked and must not call the proxy.
func (p *Proxy) Commits(choose func(n int) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.choose, p.commits = choose, 0
}

// Every returns a choice for Commits: each n-th COMMIT gets the next of fates, in turn.
func Every(n int, fates ...Fate) func(int) Fate {
	return func(at int) Fate {
		if at%n != 0 {
			return Pass
		}
		return fates[(at/n-1)%len(fates)]
	}
}

// Once returns a choice for Commits: only the next COMMIT gets fate.
func Once(fate Fate) func(int) Fate {
	return func(at int) Fate {
		if at == 1 {
			return fate
		}
		return Pass
	}
}

// Intrude inserts a ROLLBACK before each statement for which before returns true: the transaction is lost, and its
// client does not learn of it. Nil inserts none.
func (p *Proxy) Intrude(before func(statement string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intrude = before
}

// Release forwards every held COMMIT, and holds none afterwards.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.released:
	default:
		close(p.released)
	}
}

// Done returns how many COMMITs got the fate; a held COMMIT counts from the moment it is held.
func (p *Proxy) Done(f Fate) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[f]
}

// Queries returns how many statements were forwarded.
func (p *Proxy) Queries() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queries
}

// Cut closes every current connection.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Close closes every connection, stops listening and returns when all goroutines have ended.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Release()
	p.Cut()
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close() // as an unreachable server would
			continue
		}
		if !p.keep(client, server) {
			return
		}
		l := &link{proxy: p, client: client, server: server}
		p.wg.Go(l.run)
	}
}

// keep records a pair of connections for Cut; if the proxy is closed, it closes them.
func (p *Proxy) keep(pair ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range pair {
		if p.closed {
			_ = c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.closed
}

func (p *Proxy) forget(pair ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range pair {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// next returns what to do with a statement.
func (p *Proxy) next(statement []byte) (fate Fate, rollbackFirst bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queries++
	if p.intrude != nil && p.intrude(string(statement)) {
		rollbackFirst = true
	}
	if !bytes.EqualFold(bytes.TrimSpace(statement), []byte("COMMIT")) {
		return Pass, rollbackFirst
	}
	p.commits++
	if p.choose != nil {
		fate = p.choose(p.commits)
	}
	p.done[fate]++
	return fate, rollbackFirst
}

// link is one client's connection. One goroutine forwards the client's packets, another one the server's. The protocol
// is request and reply, so while the first one holds a statement, no reply is in flight that could be confused with
// another.
type link struct {
	proxy          *Proxy
	client, server net.Conn

	mu     sync.Mutex  // guards divert
	divert chan<- byte // receives the server's bytes instead of the client; nil for the client
}

func (l *link) run() {
	defer l.proxy.forget(l.client, l.server)
	l.proxy.wg.Go(func() {
		defer l.proxy.forget(l.client, l.server)
		_ = l.answer()
	})
	_ = l.ask()
}

// answer forwards the server's bytes.
func (l *link) answer() error {
	chunk := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(chunk)
		if err != nil {
			return err
		}
		l.mu.Lock()
		divert := l.divert
		l.mu.Unlock()
		if divert == nil {
			if _, err := l.client.Write(chunk[:n]); err != nil {
				return err
			}
			continue
		}
		for _, b := range chunk[:n] {
			select {
			case divert <- b:
			default: // no exchange waits for it
			}
		}
	}
}

func (l *link) divertTo(c chan<- byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.divert = c
}

// exchange sends the proxy's own statement and reads its reply, one packet; the client sees neither.
func (l *link) exchange(statement string) error {
	const room = 64 << 10 // more than a reply of one packet
	answer := make(chan byte, room)
	l.divertTo(answer)
	if _, err := l.server.Write(packet(statement)); err != nil {
		return err
	}
	wait := time.NewTimer(answerWait)
	defer wait.Stop()
	length := 4
	for got := 0; got < length; got++ {
		select {
		case b := <-answer:
			if got < 3 {
				length += int(b) << (8 * got)
			}
		case <-wait.C:
			return errors.New("no reply to " + statement)
		}
	}
	l.divertTo(nil)
	return nil
}

// answerWait is how long the proxy waits for the server's reply to its own statement.
const answerWait = 30 * time.Second

var errCut = errors.New("cut")

// ask forwards the client's bytes, packet by packet.
func (l *link) ask() error {
	in := bufio.NewReaderSize(l.client, 64<<10)
	for {
		head, err := in.Peek(4)
		if err != nil {
			return err
		}
		length := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		const comQuery = 3
		const most = 1 << 10 // the statements to recognize are short, or their beginning suffices
		look := min(length, most)
		packet, err := in.Peek(4 + look)
		if err != nil {
			return err
		}
		if packet[3] == 0 && length > 0 && packet[4] == comQuery {
			if err := l.statement(packet[5:]); err != nil {
				return err
			}
		}
		if _, err := io.CopyN(l.server, in, int64(4+length)); err != nil {
			return err
		}
	}
}

// statement carries out the chosen fate; nil forwards the statement.
func (l *link) statement(text []byte) error {
	fate, rollbackFirst := l.proxy.next(text)
	if rollbackFirst {
		if err := l.exchange("ROLLBACK"); err != nil {
			return err
		}
	}
	switch fate {
	case CutBefore:
		return errCut
	case CutAfter:
		return errors.Join(l.exchange("COMMIT"), errCut)
	case Swallow:
		l.divertTo(make(chan byte))
	case Hold:
		<-l.proxy.held()
	}
	return nil
}

func (p *Proxy) held() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.released
}

// packet returns a statement as one packet.
func packet(statement string) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(1+len(statement))) // the fourth byte is the sequence, 0
	out = append(out, 3)
	return append(out, statement...)
}
