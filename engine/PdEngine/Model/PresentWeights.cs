using System.Buffers;

namespace PdEngine;

/// <summary>
/// The tensors of a model as a backend holds them, read back from its matrices. What is read is what the
/// matrices were rounded to.
/// </summary>
internal sealed class PresentWeights
{
    private readonly Dictionary<string, List<(HeldWeight Held, int HeldRow, WeightPart Part)>> _places =
        new(StringComparer.Ordinal);

    /// <param name="shards">All ranks of one size; they must outlive this.</param>
    public PresentWeights(IReadOnlyList<ModelWeights> shards)
    {
        foreach (HeldWeight held in shards.SelectMany(shard => shard.Held).Distinct())
        {
            int row = 0;
            foreach (WeightPart part in held.Parts)
            {
                if (!_places.TryGetValue(part.Name, out var places))
                    _places.Add(part.Name, places = []);
                places.Add((held, row, part));
                row += part.Rows;
            }
        }
    }

    /// <summary>Reads elements as float32; safe from several threads at once.</summary>
    public void Read(string name, long firstElement, Span<float> destination)
    {
        foreach ((HeldWeight held, int heldRow, WeightPart part) in _places[name])
            ReadFrom(held, heldRow, part, firstElement, destination);
    }

    /// <summary>Copies what one place has of a range of elements.</summary>
    private static void ReadFrom(
        HeldWeight held, int heldRow, WeightPart part, long firstElement, Span<float> destination)
    {
        WeightColumns columns = held.Columns;
        long endElement = firstElement + destination.Length;
        long firstRow = Math.Max(part.FirstRow, firstElement / columns.Total);
        long endRow = Math.Min(part.FirstRow + part.Rows, (endElement + columns.Total - 1) / columns.Total);
        if (firstRow >= endRow)
            return;
        bool isWhole = columns.Count == columns.Total && firstRow * columns.Total >= firstElement
            && endRow * columns.Total <= endElement;
        if (isWhole)
        {
            int start = (int)((firstRow * columns.Total) - firstElement);
            int count = (int)(endRow - firstRow);
            held.ReadHeld(
                heldRow + (int)(firstRow - part.FirstRow), count,
                destination.Slice(start, count * columns.Count));
            return;
        }
        float[] row = ArrayPool<float>.Shared.Rent(columns.Count);
        for (long tensorRow = firstRow; tensorRow < endRow; tensorRow++)
        {
            long rowElement = (tensorRow * columns.Total) + columns.First;
            long from = Math.Max(firstElement, rowElement);
            long end = Math.Min(endElement, rowElement + columns.Count);
            if (from >= end)
                continue;
            held.ReadHeld(heldRow + (int)(tensorRow - part.FirstRow), 1, row.AsSpan(0, columns.Count));
            row.AsSpan((int)(from - rowElement), (int)(end - from))
                .CopyTo(destination[(int)(from - firstElement)..]);
        }
        ArrayPool<float>.Shared.Return(row);
    }
}
