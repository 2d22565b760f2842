using System.Diagnostics;

namespace PdEngine.Host;

/// <summary>
/// Says on standard error how far loading is: one moving line on a terminal, one line at the end if not.
/// </summary>
internal sealed class LoadingLine : IProgress<LoadProgress>
{
    private readonly bool _moving = !Console.IsErrorRedirected;
    private readonly Stopwatch _sinceStart = Stopwatch.StartNew();
    private readonly Lock _gate = new();
    private long _shownPercent = -1;

    public void Report(LoadProgress value)
    {
        lock (_gate)
        {
            long percent = value.TotalBytes == 0 ? 100 : value.LoadedBytes * 100 / value.TotalBytes;
            if (percent == _shownPercent)
                return;
            _shownPercent = percent;
            string weights = $"{value.TotalBytes / 1e6:0.#} MB of weights";
            if (_moving)
                Console.Error.Write($"\rloading {weights}: {percent}%");
            if (percent < 100)
                return;
            string done = $"loaded {weights} in {_sinceStart.Elapsed.TotalSeconds:F1} s";
            Console.Error.WriteLine(_moving ? $"\r{done}          " : done);
        }
    }
}
