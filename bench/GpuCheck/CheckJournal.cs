using System.Text;
using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>
/// The report: a JSON file that is written anew after every row, and that a later run goes on from. One of
/// another GPU, driver or image of the kernels is put aside.
/// </summary>
internal sealed class CheckJournal
{
    public const string FileName = "gpu-check.json";

    private readonly string _path;
    private readonly IReadOnlyList<(string Name, string Value)> _header;
    private readonly List<JsonElement> _rows = [];
    private readonly Dictionary<string, int> _places = [];

    /// <param name="folder">Where it is written.</param>
    /// <param name="resumeFolder">Where an earlier one is.</param>
    /// <param name="header">What its rows are about.</param>
    /// <exception cref="OptionsException">The earlier one is damaged, and not ours to put aside.</exception>
    public CheckJournal(
        string folder, string resumeFolder, IReadOnlyList<(string Name, string Value)> header)
    {
        Directory.CreateDirectory(folder);
        _path = Path.Combine(folder, FileName);
        _header = header;
        string earlier = Path.Combine(resumeFolder, FileName);
        if (!File.Exists(earlier))
            return;
        try
        {
            Read(earlier);
        }
        catch (Exception damaged) when (damaged is JsonException or InvalidOperationException
            or KeyNotFoundException or ArgumentException or FormatException)
        {
            _rows.Clear();
            _places.Clear();
            if (Path.GetFullPath(earlier) != Path.GetFullPath(_path))
                throw new OptionsException("--resume", $"{earlier} is damaged: {damaged.Message}");
            File.Move(earlier, $"{earlier}.damaged", overwrite: true);
            PutAside = $"{earlier} is damaged and now {FileName}.damaged; this is a new report";
        }
    }

    public string FilePath => _path;

    /// <summary>What became of an earlier report that was put aside; null where none was.</summary>
    public string? PutAside { get; private set; }

    /// <summary>Most seconds that a row took whose name begins so; null where there is none.</summary>
    public double? MostSeconds(string prefix) => _rows
        .Where(row => row.GetProperty("row").GetString()!.StartsWith(prefix, StringComparison.Ordinal))
        .Select(row => row.TryGetProperty("wall_seconds", out JsonElement value)
            ? value.GetDouble() : (double?)null)
        .Max();

    /// <summary>The rows that have failed, or that a run before this one did not survive.</summary>
    public IEnumerable<JsonElement> FailedRows => _rows.Where(
        row => StatusOf(row) is CheckStatus.Failed or CheckStatus.Begun);

    /// <summary>How the row ended; null where it is still to be computed.</summary>
    public CheckStatus? StatusOf(string name) => _places.TryGetValue(name, out int place)
        ? StatusOf(_rows[place])
        : null;

    /// <summary>A figure of a row; null where there is none.</summary>
    public double? Figure(string row, string figure) =>
        _places.TryGetValue(row, out int place) && _rows[place].TryGetProperty(figure, out JsonElement value)
        && value.ValueKind == JsonValueKind.Number
            ? value.GetDouble()
            : null;

    /// <summary>Takes a row in, in the place of an earlier one of its name, and writes the file.</summary>
    public void Add(CheckRow row)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
            Write(json, row);
        stream.Position = 0;
        using JsonDocument document = JsonDocument.Parse(stream);
        Keep(row.Name, document.RootElement.Clone());
        Save();
    }

    /// <summary>Forgets rows, which are then still to be computed.</summary>
    public void Drop(IEnumerable<string> names)
    {
        HashSet<string> dropped = [.. names];
        if (_rows.RemoveAll(row => dropped.Contains(row.GetProperty("row").GetString()!)) == 0)
            return;
        _places.Clear();
        for (int i = 0; i < _rows.Count; i++)
            _places.Add(_rows[i].GetProperty("row").GetString()!, i);
        Save();
    }

    private void Read(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement root = document.RootElement;
        bool isSame = _header.All(
            field => root.TryGetProperty(field.Name, out JsonElement value)
                && value.GetString() == field.Value);
        if (!isSame)
        {
            if (Path.GetFullPath(path) == Path.GetFullPath(_path))
            {
                File.Move(path, $"{path}.old", overwrite: true);
                PutAside = $"{path} is of another GPU, driver, build or scale and now {FileName}.old";
            }
            return;
        }
        foreach (JsonElement row in root.GetProperty("rows").EnumerateArray())
        {
            StatusOf(row);
            Keep(row.GetProperty("row").GetString()!, row.Clone());
        }
        Save();
    }

    private void Keep(string name, JsonElement row)
    {
        if (_places.TryGetValue(name, out int place))
        {
            _rows[place] = row;
            return;
        }
        _places.Add(name, _rows.Count);
        _rows.Add(row);
    }

    /// <summary>Written aside and moved: what stops a run leaves a whole file. A line for each row.</summary>
    private void Save()
    {
        StringBuilder text = new("{");
        foreach ((string name, string value) in _header)
        {
            text.Append('"').Append(JsonEncodedText.Encode(name)).Append("\": \"")
                .Append(JsonEncodedText.Encode(value)).Append("\",\n");
        }
        text.Append("\"rows\": [\n");
        text.AppendJoin(",\n", _rows.Select(row => row.GetRawText()));
        string aside = $"{_path}.part";
        File.WriteAllText(aside, text.Append("\n]}\n").ToString());
        File.Move(aside, _path, overwrite: true);
    }

    private static void Write(Utf8JsonWriter json, CheckRow row)
    {
        json.WriteStartObject();
        json.WriteString("row", row.Name);
        json.WriteString("status", row.Status.ToString().ToLowerInvariant());
        json.WriteString("utc", $"{DateTimeOffset.UtcNow:yyyy-MM-dd'T'HH:mm:ss.fff'Z'}");
        foreach ((string name, double value) in row.Figures)
        {
            if (double.IsFinite(value))
                json.WriteNumber(name, double.Round(value, 12));
            else
                json.WriteNull(name);
        }
        if (row.Note.Length > 0)
            json.WriteString("note", row.Note);
        json.WriteEndObject();
    }

    private static CheckStatus StatusOf(JsonElement row) =>
        Enum.Parse<CheckStatus>(row.GetProperty("status").GetString()!, ignoreCase: true);
}
