namespace PdEngine;

/// <summary>
/// Requests that wait for weights that are not there yet, before any worker hears of them. Any thread may
/// call it.
/// </summary>
internal sealed class VersionDoor(VersionHistory history, Action<Sequence> submit, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly List<Sequence> _waiting = [];

    /// <summary>Keeps a sequence whose weights are not there yet; false where it may go on.</summary>
    /// <exception cref="WeightVersionMismatchException">They are past.</exception>
    public bool TryHold(Sequence sequence)
    {
        if (sequence.Request is { MinWeightVersion: null, ExactWeightVersion: null })
            return false;
        lock (_gate)
        {
            bool waits = Waits(sequence.Request);
            if (waits)
                _waiting.Add(sequence);
            return waits;
        }
    }

    public bool Holds(Sequence sequence)
    {
        lock (_gate)
            return _waiting.Contains(sequence);
    }

    /// <summary>Ends a sequence that waits here; false where it does not.</summary>
    public bool TryEnd(Sequence sequence)
    {
        lock (_gate)
        {
            if (!_waiting.Remove(sequence))
                return false;
        }
        End(sequence, FinishReason.Abort, sequence.AbortCause);
        return true;
    }

    public void EndAll()
    {
        Sequence[] waiting;
        lock (_gate)
        {
            waiting = [.. _waiting];
            _waiting.Clear();
        }
        foreach (Sequence sequence in waiting)
            End(sequence, FinishReason.Abort, sequence.AbortCause);
    }

    /// <summary>Weights have come: lets in what waited for them.</summary>
    public void Open()
    {
        List<Sequence> ready = [], past = [];
        lock (_gate)
        {
            for (int i = _waiting.Count - 1; i >= 0; i--)
            {
                if (!history.HasReached(VersionOf(_waiting[i].Request)))
                    continue;
                bool isPast = IsPast(_waiting[i].Request);
                (isPast ? past : ready).Insert(0, _waiting[i]);
                _waiting.RemoveAt(i);
            }
        }
        foreach (Sequence sequence in past)
        {
            End(sequence, FinishReason.Abort, new WeightVersionMismatchException(
                VersionOf(sequence.Request), history.Current));
        }
        foreach (Sequence sequence in ready)
            LetIn(sequence);
    }

    private static string VersionOf(Request request) =>
        request.ExactWeightVersion ?? request.MinWeightVersion!;

    private bool Waits(Request request)
    {
        if (request.ExactWeightVersion is { } exact)
        {
            if (IsPast(request))
                throw new WeightVersionMismatchException(exact, history.Current);
            return exact != history.Current;
        }
        return !history.HasReached(request.MinWeightVersion!);
    }

    private bool IsPast(Request request) => request.ExactWeightVersion is { } exact
        && exact != history.Current && history.HasReached(exact);

    private void LetIn(Sequence sequence)
    {
        try
        {
            submit(sequence);
        }
        catch (Exception refusal) when (refusal is PdEngineException or ObjectDisposedException)
        {
            End(sequence, FinishReason.Error, refusal);
        }
    }

    private void End(Sequence sequence, FinishReason reason, Exception? error)
    {
        sequence.Times.Finish(clock.GetTimestamp());
        sequence.Finish(reason, error);
        sequence.Observer.OnFinished(sequence);
    }
}
