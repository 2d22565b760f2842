using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace PdEngine;

/// <summary>
/// The engine of a program: loaded when its host starts, or where there is none at its first use, and given
/// back when it ends. Any thread may ask.
/// </summary>
/// <param name="settings">What to load.</param>
public sealed class HostedEngine(IOptions<PdEngineSettings> settings)
    : IHostedService, IAsyncDisposable, IDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _ending = new();
    private Task<Engine>? _engine;
    private bool _disposed;

    /// <summary>The engine where it is loaded, without waiting; null before and after.</summary>
    public Engine? Current
    {
        get
        {
            lock (_gate)
                return !_disposed && _engine is { IsCompletedSuccessfully: true } ? _engine.Result : null;
        }
    }

    /// <summary>Why it could not be loaded; null where it was not tried, is on its way or was.</summary>
    public Exception? Failure
    {
        get
        {
            lock (_gate)
                return _engine?.Exception?.InnerException;
        }
    }

    /// <summary>The engine, once it is loaded; the first call loads it, all others wait for that.</summary>
    /// <param name="cancellationToken">Ends the wait, not the load.</param>
    /// <exception cref="PdEngineException">It cannot be loaded; it is not tried again.</exception>
    /// <exception cref="OptionsValidationException">The settings are not those of an engine.</exception>
    public Task<Engine> GetAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _engine ??= Engine.StartAsync(settings.Value.ToOptions(), _ending.Token);
            return _engine.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Loads it.</summary>
    public Task StartAsync(CancellationToken cancellationToken) => GetAsync(cancellationToken);

    /// <summary>Ends what runs, with the output it has, and gives all memory back.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => DisposeAsync().AsTask();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task<Engine>? started;
        lock (_gate)
        {
            (started, _engine) = (_engine, null);
            if (_disposed)
                return;
            _disposed = true;
        }
        await _ending.CancelAsync().ConfigureAwait(false);
        if (started is not null)
        {
            await started.ContinueWith(
                static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default).ConfigureAwait(false);
            if (started.IsCompletedSuccessfully)
                await started.Result.DisposeAsync().ConfigureAwait(false);
        }
        _ending.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();
}
