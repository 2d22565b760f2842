using System.Text;
using System.Xml;

namespace PdEngine.Bench;

/// <summary>Writes the shapes of a self-contained SVG.</summary>
internal sealed class SvgPage : IDisposable
{
    private const string Space = "http://www.w3.org/2000/svg";
    private readonly XmlWriter _svg;

    public SvgPage(Stream target, int width, int height)
    {
        _svg = XmlWriter.Create(
            target, new XmlWriterSettings { Encoding = new UTF8Encoding(false), Indent = true });
        Begin("svg", ("viewBox", $"0 0 {width} {height}"), ("width", $"{width}"), ("height", $"{height}"),
            ("font-family", "sans-serif"), ("font-size", "12"));
        Element("rect", ("width", $"{width}"), ("height", $"{height}"), ("fill", "#ffffff"));
    }

    /// <summary>A number as SVG takes it.</summary>
    public static string N(double value) => $"{value:0.##}";

    /// <summary>An element without content.</summary>
    public void Element(string name, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        Begin(name, attributes);
        _svg.WriteEndElement();
    }

    /// <summary>An element whose text shows when the mouse is over it.</summary>
    public void ElementWithTitle(
        string title, string name, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        Begin(name, attributes);
        _svg.WriteElementString("title", Space, title);
        _svg.WriteEndElement();
    }

    public void Line(
        double x1, double y1, double x2, double y2, string stroke, double width, string dash = "none") =>
        Element("line", ("x1", N(x1)), ("y1", N(y1)), ("x2", N(x2)), ("y2", N(y2)), ("stroke", stroke),
            ("stroke-width", N(width)), ("stroke-dasharray", dash));

    /// <summary>Text at a point, turned about it by so many degrees.</summary>
    public void Text(
        double x, double y, string text, string fill, string anchor = "start", int size = 12,
        bool isBold = false, double degrees = 0)
    {
        Begin("text", ("x", N(x)), ("y", N(y)), ("fill", fill), ("text-anchor", anchor),
            ("font-size", $"{size}"), ("font-weight", isBold ? "bold" : "normal"), ("stroke", "#ffffff"),
            ("stroke-width", "3"), ("paint-order", "stroke"),
            ("transform", $"rotate({N(degrees)} {N(x)} {N(y)})"));
        _svg.WriteString(text);
        _svg.WriteEndElement();
    }

    public void Dispose()
    {
        _svg.WriteEndElement();
        _svg.Dispose();
    }

    private void Begin(string name, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        _svg.WriteStartElement(name, Space);
        foreach ((string attribute, string value) in attributes)
            _svg.WriteAttributeString(attribute, value);
    }
}
