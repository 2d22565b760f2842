using System.Runtime.InteropServices;

namespace PdEngine.Host;

/// <summary>
/// Hears the signals that ask a server to end: the first lets requests finish, the second does not.
/// </summary>
internal sealed class EndSignals : IDisposable
{
    private readonly CancellationTokenSource _first = new(), _second = new();
    private readonly PosixSignalRegistration[] _heard;
    private int _count;

    public EndSignals() => _heard =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, Count),
        PosixSignalRegistration.Create(PosixSignal.SIGINT, Count),
    ];

    public CancellationToken First => _first.Token;

    public CancellationToken Second => _second.Token;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _heard)
            registration.Dispose();
        _first.Dispose();
        _second.Dispose();
    }

    private void Count(PosixSignalContext context)
    {
        context.Cancel = true;
        int count = Interlocked.Increment(ref _count);
        if (count == 1)
            _first.Cancel();
        else if (count == 2)
            _second.Cancel();
    }
}
