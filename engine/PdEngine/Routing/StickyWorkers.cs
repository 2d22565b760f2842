namespace PdEngine;

/// <summary>
/// Remembers the worker of each key; a key that is idle for hours, or the longest when there are too many, is
/// forgotten. Holds hashes of keys, so that its size does not depend on their lengths; that two keys share a
/// hash only makes them share a worker.
/// </summary>
internal sealed class StickyWorkers(TimeProvider clock)
{
    public const int MaxKeyCount = 65536;

    public static readonly TimeSpan IdleLimit = TimeSpan.FromHours(4);

    private readonly Dictionary<ulong, LinkedListNode<Entry>> _byKey = [];
    private readonly LinkedList<Entry> _latestLast = [];

    public int Count => _byKey.Count;

    public bool TryFind(ulong key, out int worker)
    {
        long now = clock.GetTimestamp();
        while (_latestLast.First is { } idle && clock.GetElapsedTime(idle.Value.UsedTicks, now) >= IdleLimit)
            Remove(idle);
        bool found = _byKey.TryGetValue(key, out LinkedListNode<Entry>? node);
        worker = found ? node!.Value.Worker : 0;
        return found;
    }

    /// <summary>Remembers a key's worker, from now on the latest used.</summary>
    public void Set(ulong key, int worker)
    {
        if (_byKey.TryGetValue(key, out LinkedListNode<Entry>? node))
            _latestLast.Remove(node);
        else
            _byKey[key] = node = new(default);
        node.Value = new(key, worker, clock.GetTimestamp());
        _latestLast.AddLast(node);
        if (_byKey.Count > MaxKeyCount)
            Remove(_latestLast.First!);
    }

    /// <summary>Forgets every key of a worker.</summary>
    public void Forget(int worker)
    {
        LinkedListNode<Entry>? node = _latestLast.First;
        while (node is not null)
        {
            LinkedListNode<Entry>? next = node.Next;
            if (node.Value.Worker == worker)
                Remove(node);
            node = next;
        }
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _byKey.Remove(node.Value.Key);
        _latestLast.Remove(node);
    }

    private readonly record struct Entry(ulong Key, int Worker, long UsedTicks);
}
