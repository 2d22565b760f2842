namespace PdEngine;

/// <summary>An append-only list with one writer and any number of readers, without a lock.</summary>
internal sealed class AppendLog<T>
{
    private T[] _items = new T[32];
    private int _count;

    /// <summary>Items that readers may see.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Adds an item; the writer's thread only.</summary>
    public void Add(T item) => AddRange([item]);

    /// <summary>Adds items; the writer's thread only.</summary>
    public void AddRange(ReadOnlySpan<T> items)
    {
        int count = _count;
        if (count + items.Length > _items.Length)
        {
            T[] grown = new T[Math.Max(_items.Length * 2, count + items.Length)];
            _items.AsSpan(0, count).CopyTo(grown);
            Volatile.Write(ref _items, grown);
        }
        items.CopyTo(_items.AsSpan(count));
        Volatile.Write(ref _count, count + items.Length);
    }

    /// <summary>
    /// Items from an index to the end. The count is read before the array: an array published later holds at
    /// least as many.
    /// </summary>
    public ReadOnlySpan<T> From(int start)
    {
        int count = Volatile.Read(ref _count);
        return Volatile.Read(ref _items).AsSpan(start, count - start);
    }
}
