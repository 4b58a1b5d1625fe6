package query

import (
	"bytes"
	"cmp"

	"github.com/sluice-etl/sluice/row"
)

// set makes a cell hold a value.
func set(rows *row.Rows, cell *row.Cell, v *value, k row.Kind) {
	if k == row.Text || k == row.Bytes {
		rows.SetBytes(cell, v.b)
		return
	}
	cell.Number, cell.Set = v.num, true
}

// compareCell compares a value with what a cell holds.
func compareCell(rows *row.Rows, cell *row.Cell, v *value, k row.Kind) int {
	switch k {
	case row.Text, row.Bytes:
		return bytes.Compare(v.b, rows.Bytes(cell))
	case row.Datetime:
		return cmp.Compare(v.micros(), int64(cell.Lo))
	case row.Double:
		return cmp.Compare(v.double(), value{num: cell.Number}.double())
	}
	return v.num.Compare(cell.Number)
}
