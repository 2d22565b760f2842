using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace PdEngine.Bench;

/// <summary>
/// A thread for a peer, started before any op of ours can hold the caller to one core: the threads that a
/// peer starts may use whatever cores their maker may.
/// </summary>
internal sealed class PeerThread : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;

    public PeerThread()
    {
        _thread = new(Serve) { IsBackground = true, Name = "pd-peer" };
        _thread.Start();
    }

    /// <summary>Runs it there, waits for its end and throws what it threw.</summary>
    public void Run(Action action)
    {
        ExceptionDispatchInfo? fault = null;
        using ManualResetEventSlim ended = new();
        _work.Add(() =>
        {
            try
            {
                action();
            }
            catch (Exception error)
            {
                fault = ExceptionDispatchInfo.Capture(error);
            }
            ended.Set();
        });
        ended.Wait();
        fault?.Throw();
    }

    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join();
        _work.Dispose();
    }

    private void Serve()
    {
        foreach (Action action in _work.GetConsumingEnumerable())
            action();
    }
}
