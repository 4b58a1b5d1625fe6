package lookup

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Network is a block of IP addresses: those whose first bits are those of First.
type Network struct {
	First [16]byte // the first 4 of them if Size is 4
	Size  int      // 4 or 16
	Bits  int
}

// address is an IP address as a number. One of IPv4 is its mapped one of IPv6, ::ffff:a.b.c.d.
type address struct{ high, low uint64 }

const mapped = 0xffff << 32

func addressOf(room *[16]byte, size int) address {
	if size == 4 {
		return address{0, mapped | uint64(binary.BigEndian.Uint32(room[:]))}
	}
	return address{binary.BigEndian.Uint64(room[:]), binary.BigEndian.Uint64(room[8:])}
}

func (a address) compare(b address) int {
	return cmp.Or(cmp.Compare(a.high, b.high), cmp.Compare(a.low, b.low))
}

// next returns the address behind a; ok is false if a is the last one.
func (a address) next() (_ address, ok bool) {
	a.low++
	if a.low == 0 {
		a.high++
	}
	return a, a != address{}
}

// block is a network with its row.
type block struct {
	first, last address
	bits        int
	row         int32
}

func blockOf(n *Network, row int32) block {
	bits := n.Bits + 8*(16-n.Size)
	b := block{first: addressOf(&n.First, n.Size), bits: bits, row: row}
	b.last = b.first
	if bits < 64 {
		b.last.high |= ^uint64(0) >> bits
		b.last.low = ^uint64(0)
	} else {
		b.last.low |= ^uint64(0) >> (bits - 64) // 0 if bits is 128
	}
	return b
}

// networks finds the most specific network of an address: the one with the most bits. An address of IPv4 is only in
// networks of IPv4. One of IPv6 that is mapped is in those of its IPv4 address, too.
type networks struct {
	blocks4, blocks []block // of IPv4, and all
	v4, all         spans
}

// spans divide the addresses: those from the i-th start up to the next one are in the network of the i-th row, -1 if in
// none.
type spans struct {
	starts []address
	rows   []int32
}

func (n *networks) add(b block, size int) {
	if size == 4 {
		n.blocks4 = append(n.blocks4, b)
	}
	n.blocks = append(n.blocks, b)
}

// finish makes what was added findable.
func (n *networks) finish() {
	n.v4, n.all = divide(n.blocks4), divide(n.blocks)
	n.blocks4, n.blocks = nil, nil
}

// divide returns the spans of networks, no two of which are equal. Two networks are disjoint, or one is within the other.
func divide(blocks []block) (s spans) {
	slices.SortFunc(blocks, func(a, b block) int { return cmp.Or(a.first.compare(b.first), cmp.Compare(a.bits, b.bits)) })
	var within []block // the networks around the current address, the innermost last
	start := func(a address, row int32) {
		if n := len(s.starts); n > 0 && s.starts[n-1] == a {
			s.rows[n-1] = row
			return
		}
		s.starts, s.rows = append(s.starts, a), append(s.rows, row)
	}
	leave := func() {
		behind, ok := within[len(within)-1].last.next()
		within = within[:len(within)-1]
		row := int32(-1)
		if len(within) > 0 {
			row = within[len(within)-1].row
		}
		if ok {
			start(behind, row)
		}
	}
	for _, b := range blocks {
		for len(within) > 0 && within[len(within)-1].last.compare(b.first) < 0 {
			leave()
		}
		within = append(within, b)
		start(b.first, b.row)
	}
	for len(within) > 0 {
		leave()
	}
	return s
}

// find returns the row of the most specific network of an address; -1 if it is in none.
func (s *spans) find(a address) int32 {
	low, high := 0, len(s.starts) // the last start that is not above a is below high
	for low < high {
		if middle := (low + high) / 2; s.starts[middle].compare(a) <= 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == 0 {
		return -1
	}
	return s.rows[low-1]
}

// FindAddress returns the row of the most specific network that contains an IP address of 4 or 16 bytes; no row if there is
// none.
func (v *Version) FindAddress(index int, room *[16]byte, size int) Row {
	s := &v.networks[index].all
	if size == 4 {
		s = &v.networks[index].v4
	}
	return v.row(s.find(addressOf(room, size)))
}
