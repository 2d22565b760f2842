using System.Runtime.ExceptionServices;

namespace PdEngine;

/// <summary>
/// Numbered runs of work that the caller does, helped by whichever threads of the pool come in time. It
/// waits for runs that have begun but for no helper that has not: where cores are busy one takes a time slice
/// to come.
/// </summary>
internal sealed class SharedRuns : IThreadPoolWorkItem
{
    private readonly Action<int> _run;
    private readonly int _count;
    private readonly TaskCompletionSource _ended = new();
    private Exception? _fault;
    private int _next;
    private int _left;

    private SharedRuns(int count, Action<int> run)
    {
        _run = run;
        _count = count;
        _left = count;
    }

    /// <summary>Does runs [0, count) on so many threads at most; ends when all have ended.</summary>
    /// <exception cref="Exception">What the first run to fail threw; later ones were left out.</exception>
    public static void Do(int count, int threadCount, Action<int> run)
    {
        Check.That(count > 0);
        SharedRuns runs = new(count, run);
        for (int helper = 1; helper < Math.Min(threadCount, count); helper++)
            ThreadPool.UnsafeQueueUserWorkItem(runs, preferLocal: false);
        runs.Execute();
        runs._ended.Task.Wait();
        if (runs._fault is { } fault)
            ExceptionDispatchInfo.Throw(fault);
    }

    /// <summary>Takes runs until none is left.</summary>
    public void Execute()
    {
        for (int index; (index = Interlocked.Increment(ref _next) - 1) < _count;)
        {
            try
            {
                if (Volatile.Read(ref _fault) is null)
                    _run(index);
            }
            catch (Exception fault)
            {
                Interlocked.CompareExchange(ref _fault, fault, null);
            }
            if (Interlocked.Decrement(ref _left) == 0)
                _ended.SetResult();
        }
    }
}
