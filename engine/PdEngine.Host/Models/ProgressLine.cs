using System.Diagnostics;

namespace PdEngine.Host;

/// <summary>One moving line on standard error, on a terminal only.</summary>
internal sealed class ProgressLine : IDisposable
{
    private static readonly TimeSpan LeastPause = TimeSpan.FromMilliseconds(100);

    private readonly bool _moving = !Console.IsErrorRedirected;
    private readonly Stopwatch _sinceShown = Stopwatch.StartNew();
    private readonly Lock _gate = new();
    private int _width;

    public void Show(Func<string> text)
    {
        if (!_moving || _sinceShown.Elapsed < LeastPause)
            return;
        lock (_gate)
        {
            _sinceShown.Restart();
            string line = text();
            Console.Error.Write($"\r{line.PadRight(_width)}");
            _width = line.Length;
        }
    }

    public void Dispose()
    {
        if (_width > 0)
            Console.Error.Write($"\r{new string(' ', _width)}\r");
    }
}
