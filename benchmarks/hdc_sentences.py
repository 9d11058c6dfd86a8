"""Plain sentences in six languages, written for this project, to tell the languages apart by their letters."""

SENTENCES = {
    "english": """
        the ferry leaves the harbour at seven and comes back before dark
        my neighbour grows tomatoes on the roof of an old garage
        nobody knew why the clock in the square had stopped again
        she reads three newspapers every morning and believes none of them
        we walked through the wet grass until our shoes were full of water
        the children built a bridge of stones across the little stream
        when the shop closes the baker gives away what is left
        he could not find the key although it was hanging on the wall
        there is a small museum of maps behind the railway station
        the teacher asked them to write a letter to a stranger
        most of the houses here were painted white after the storm
        it takes two hours to reach the village if the road is open
        they have been waiting for the rain since the end of may
        the doctor told him to sleep more and to worry less
    """,
    "german": """
        die fähre verlässt den hafen um sieben und kommt vor der dunkelheit zurück
        mein nachbar zieht tomaten auf dem dach einer alten werkstatt
        niemand wusste warum die uhr auf dem platz wieder stehen geblieben war
        sie liest jeden morgen drei zeitungen und glaubt keiner davon
        wir gingen durch das nasse gras bis unsere schuhe voller wasser waren
        die kinder bauten eine brücke aus steinen über den kleinen bach
        wenn der laden schließt verschenkt der bäcker was übrig ist
        er konnte den schlüssel nicht finden obwohl er an der wand hing
        hinter dem bahnhof gibt es ein kleines museum für landkarten
        die lehrerin bat sie einen brief an einen fremden zu schreiben
        die meisten häuser hier wurden nach dem sturm weiß gestrichen
        man braucht zwei stunden bis zum dorf wenn die straße offen ist
        sie warten schon seit ende mai auf den regen
        der arzt sagte ihm er solle mehr schlafen und sich weniger sorgen
    """,
    "french": """
        le bac quitte le port à sept heures et revient avant la nuit
        mon voisin cultive des tomates sur le toit d'un vieux garage
        personne ne savait pourquoi l'horloge de la place s'était encore arrêtée
        elle lit trois journaux chaque matin et n'en croit aucun
        nous avons marché dans l'herbe mouillée jusqu'à remplir nos chaussures d'eau
        les enfants ont construit un pont de pierres sur le petit ruisseau
        quand la boutique ferme le boulanger donne ce qui reste
        il ne trouvait pas la clé alors qu'elle était pendue au mur
        il y a un petit musée de cartes derrière la gare
        la maîtresse leur a demandé d'écrire une lettre à un inconnu
        la plupart des maisons ont été peintes en blanc après la tempête
        il faut deux heures pour atteindre le village si la route est ouverte
        ils attendent la pluie depuis la fin du mois de mai
        le médecin lui a dit de dormir plus et de s'inquiéter moins
    """,
    "spanish": """
        el barco sale del puerto a las siete y vuelve antes de la noche
        mi vecino cultiva tomates en el tejado de un garaje viejo
        nadie sabía por qué el reloj de la plaza se había parado otra vez
        ella lee tres periódicos cada mañana y no cree en ninguno
        caminamos por la hierba mojada hasta llenar de agua los zapatos
        los niños construyeron un puente de piedras sobre el arroyo
        cuando cierra la tienda el panadero regala lo que queda
        no podía encontrar la llave aunque estaba colgada en la pared
        hay un pequeño museo de mapas detrás de la estación de tren
        la maestra les pidió que escribieran una carta a un desconocido
        casi todas las casas de aquí se pintaron de blanco después de la tormenta
        se tarda dos horas en llegar al pueblo si el camino está abierto
        llevan esperando la lluvia desde finales de mayo
        el médico le dijo que durmiera más y que se preocupara menos
    """,
    "italian": """
        il traghetto lascia il porto alle sette e torna prima del buio
        il mio vicino coltiva pomodori sul tetto di una vecchia officina
        nessuno sapeva perché l'orologio della piazza si fosse fermato di nuovo
        lei legge tre giornali ogni mattina e non crede a nessuno
        abbiamo camminato nell'erba bagnata finché le scarpe erano piene d'acqua
        i bambini hanno costruito un ponte di sassi sopra il ruscello
        quando il negozio chiude il fornaio regala quello che rimane
        non riusciva a trovare la chiave anche se era appesa al muro
        c'è un piccolo museo di carte geografiche dietro la stazione
        la maestra chiese loro di scrivere una lettera a uno sconosciuto
        quasi tutte le case qui furono dipinte di bianco dopo la tempesta
        ci vogliono due ore per arrivare al paese se la strada è aperta
        aspettano la pioggia dalla fine di maggio
        il medico gli ha detto di dormire di più e di preoccuparsi di meno
    """,
    "dutch": """
        de veerboot verlaat de haven om zeven uur en komt voor het donker terug
        mijn buurman kweekt tomaten op het dak van een oude garage
        niemand wist waarom de klok op het plein weer was blijven stilstaan
        zij leest elke ochtend drie kranten en gelooft er geen een
        we liepen door het natte gras tot onze schoenen vol water stonden
        de kinderen bouwden een brug van stenen over het beekje
        als de winkel sluit geeft de bakker weg wat er over is
        hij kon de sleutel niet vinden hoewel die aan de muur hing
        achter het station is een klein museum van landkaarten
        de lerares vroeg hun een brief aan een onbekende te schrijven
        de meeste huizen hier werden na de storm wit geschilderd
        het duurt twee uur om het dorp te bereiken als de weg open is
        ze wachten al sinds eind mei op de regen
        de dokter zei dat hij meer moest slapen en zich minder zorgen moest maken
    """,
}


def rows() -> list[tuple[str, str]]:
    """(language, sentence) pairs."""
    return [(name, line.strip()) for name, text in SENTENCES.items() for line in text.strip().splitlines()]
