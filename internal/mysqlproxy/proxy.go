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

// Fate is what happens to a COMMIT.
type Fate uint8

// The fates.
const (
	Pass      Fate = iota
	CutBefore      // the connection is cut, COMMIT is not forwarded
	CutAfter       // COMMIT is forwarded and its answer read, then the connection is cut
	Swallow        // COMMIT is forwarded, its answer never arrives; the connection stays until its client gives up
	Hold           // COMMIT waits, the transaction open behind it, until Release
)

// Proxy is a running proxy. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu       sync.Mutex // guards all below
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

// Addr is where the proxy listens, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Commits makes choose decide the fate of every COMMIT, the n-th of the proxy, from 1. Nil passes all. It is called
// with the proxy locked: it must not call back.
func (p *Proxy) Commits(choose func(n int) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.choose, p.commits = choose, 0
}

// Every is a choice for Commits: each n-th COMMIT meets the next of fates, in turn.
func Every(n int, fates ...Fate) func(int) Fate {
	return func(at int) Fate {
		if at%n != 0 {
			return Pass
		}
		return fates[(at/n-1)%len(fates)]
	}
}

// Once is a choice for Commits: the next COMMIT meets fate, no other.
func Once(fate Fate) func(int) Fate {
	return func(at int) Fate {
		if at == 1 {
			return fate
		}
		return Pass
	}
}

// Intrude slips a ROLLBACK in before each statement for which before says yes: the transaction is lost, and its client
// does not know. Nil intrudes nowhere.
func (p *Proxy) Intrude(before func(statement string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intrude = before
}

// Release lets every COMMIT go that is held back, and those to come.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.released:
	default:
		close(p.released)
	}
}

// Done is how many COMMITs have met a fate; a COMMIT that is held counts from when it is held.
func (p *Proxy) Done(f Fate) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[f]
}

// Queries is how many statements came through.
func (p *Proxy) Queries() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queries
}

// Cut cuts every connection that there is.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Close cuts every connection, stops listening and returns when all has ended.
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
			_ = client.Close() // as a server that is away would
			continue
		}
		if !p.keep(client, server) {
			return
		}
		l := &link{proxy: p, client: client, server: server}
		p.wg.Go(l.run)
	}
}

// keep remembers a pair of connections, so that Cut finds them; where the proxy has been closed it closes them.
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

// next says what happens to a statement.
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

// link is one client's connection. One goroutine moves the client's packets, one the server's. The protocol is question
// and answer, so while the first holds a statement back nothing is under way that could be mixed up.
type link struct {
	proxy          *Proxy
	client, server net.Conn

	mu     sync.Mutex  // guards divert
	divert chan<- byte // where the server's bytes go instead of to the client; nil is to the client
}

func (l *link) run() {
	defer l.proxy.forget(l.client, l.server)
	l.proxy.wg.Go(func() {
		defer l.proxy.forget(l.client, l.server)
		_ = l.answer()
	})
	_ = l.ask()
}

// answer copies what the server says.
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
			default: // nobody wants it
			}
		}
	}
}

func (l *link) divertTo(c chan<- byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.divert = c
}

// exchange sends a statement of our own and reads its answer, one packet, so that the client sees neither.
func (l *link) exchange(statement string) error {
	const room = 64 << 10 // more than an answer of one packet
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
			return errors.New("no answer to " + statement)
		}
	}
	l.divertTo(nil)
	return nil
}

// answerWait bounds how long the proxy waits for the server's answer to a statement of its own.
const answerWait = 30 * time.Second

var errCut = errors.New("cut")

// ask copies what the client says, packet by packet.
func (l *link) ask() error {
	in := bufio.NewReaderSize(l.client, 64<<10)
	for {
		head, err := in.Peek(4)
		if err != nil {
			return err
		}
		length := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		const comQuery = 3
		const most = 1 << 10 // a statement that is looked at is short, or its beginning will do
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

// statement does to a statement what was chosen; nil forwards it.
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

// packet is a statement as a packet of its own.
func packet(statement string) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(1+len(statement))) // the fourth byte is the sequence, 0
	out = append(out, 3)
	return append(out, statement...)
}
