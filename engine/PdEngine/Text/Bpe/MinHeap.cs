namespace PdEngine;

/// <summary>A binary heap of 64-bit keys, smallest first.</summary>
internal sealed class MinHeap
{
    private ulong[] _keys = [];
    private int _count;

    public long HeldBytes => 8L * _keys.Length;

    public void Clear() => _count = 0;

    /// <summary>
    /// Adds a key without ordering; <see cref="Order"/> or <see cref="RaiseLast"/> must follow.
    /// </summary>
    public void Append(ulong key)
    {
        if (_count == _keys.Length)
            Array.Resize(ref _keys, Math.Max(64, _count * 2));
        _keys[_count++] = key;
    }

    /// <summary>Orders all keys at once, in linear time.</summary>
    public void Order()
    {
        for (int at = _count / 2 - 1; at >= 0; at--)
            Lower(at, _keys[at]);
    }

    /// <summary>Puts the key that was appended last where it belongs.</summary>
    public void RaiseLast()
    {
        int at = _count - 1;
        ulong key = _keys[at];
        while (at > 0 && _keys[(at - 1) / 2] > key)
        {
            _keys[at] = _keys[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        _keys[at] = key;
    }

    public bool TryPop(out ulong key)
    {
        if (_count == 0)
        {
            key = 0;
            return false;
        }
        key = _keys[0];
        _count--;
        if (_count > 0)
            Lower(0, _keys[_count]);
        return true;
    }

    private void Lower(int at, ulong key)
    {
        ulong[] keys = _keys;
        while (true)
        {
            int child = 2 * at + 1;
            if (child >= _count)
                break;
            if (child + 1 < _count && keys[child + 1] < keys[child])
                child++;
            if (keys[child] >= key)
                break;
            keys[at] = keys[child];
            at = child;
        }
        keys[at] = key;
    }
}
