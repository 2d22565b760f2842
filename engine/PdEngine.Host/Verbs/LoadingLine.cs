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
            long total = value.TotalParameters;
            long percent = total == 0 ? 100 : value.LoadedParameters * 100 / total;
            if (percent == _shownPercent)
                return;
            _shownPercent = percent;
            string weights = total < 1_000_000 ? $"{total} parameters" : $"{total / 1e6:F0} M parameters";
            if (_moving)
                Console.Error.Write($"\rloading {weights}: {percent}%");
            if (percent < 100)
                return;
            string done = $"loaded {weights} in {_sinceStart.Elapsed.TotalSeconds:F1} s";
            Console.Error.WriteLine(_moving ? $"\r{done}          " : done);
        }
    }
}
